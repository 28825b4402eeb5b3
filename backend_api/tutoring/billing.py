"""What a lesson costs: from measured seconds to billed time and an amount. Pure, exact; knows no record.

billed seconds = the measured ones, rounded to whole blocks by the tariff's rule, then at least its minimum. A lesson of
no measured second costs nothing. amount = rate x (1 | billed hours | billed minutes), rounded half up to the currency's
smallest unit, lesson by lesson, so that a statement's total is the sum of its rows. A session's rate is due whatever
its rounding makes of its time.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

RateUnit = Literal["session", "hour", "minute"]
Rounding = Literal["none", "up", "nearest"]

MINUTE_SECONDS = 60
HOUR_SECONDS = 3_600

_WITHOUT_CENTS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS = dict.fromkeys(_WITHOUT_CENTS.split(), 0) | dict.fromkeys(_WITH_THREE_DECIMALS.split(), 3)
"""ISO 4217's minor units where they are not two."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """How lessons of a package are billed. `rate` is in `currency` per `unit`; blocks and minimum are in minutes."""

    rate: Decimal
    unit: RateUnit
    currency: str
    rounding: Rounding
    block_minutes: int
    minimum_minutes: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What one lesson is billed."""

    billed_seconds: int
    amount: Decimal


def charge(measured_seconds: int, tariff: Tariff) -> Charge:
    """The bill of a lesson that lasted so long."""
    billed = billed_seconds(measured_seconds, tariff)
    return Charge(billed, no_amount(tariff.currency) if measured_seconds <= 0 else _amount(billed, tariff))


def billed_seconds(measured_seconds: int, tariff: Tariff) -> int:
    """Whole blocks by the tariff's rule, half a block rounding up, and its minimum; 0 for a lesson of 0 seconds."""
    if measured_seconds <= 0:
        return 0
    block = tariff.block_minutes * MINUTE_SECONDS
    match tariff.rounding:
        case "none":
            rounded = measured_seconds
        case "up":
            rounded = -(-measured_seconds // block) * block
        case "nearest":
            rounded = (2 * measured_seconds + block) // (2 * block) * block
    return max(rounded, tariff.minimum_minutes * MINUTE_SECONDS)


def minutes(seconds: int) -> Decimal:
    """Minutes for people, two decimals at most, half up; amounts are never made from these."""
    return _rounded(Fraction(seconds, MINUTE_SECONDS), 2).normalize() + Decimal(0)


def no_amount(currency: str) -> Decimal:
    """Zero, written with the currency's decimals."""
    return Decimal(0).scaleb(-_DECIMALS.get(currency, 2))


def _amount(seconds: int, tariff: Tariff) -> Decimal:
    units = {
        "session": Fraction(1),
        "hour": Fraction(seconds, HOUR_SECONDS),
        "minute": Fraction(seconds, MINUTE_SECONDS),
    }
    return _rounded(Fraction(tariff.rate) * units[tariff.unit], _DECIMALS.get(tariff.currency, 2))


def _rounded(value: Fraction, decimals: int) -> Decimal:
    """Half up; values are never negative."""
    return Decimal(int(value * 10**decimals + Fraction(1, 2))).scaleb(-decimals)
