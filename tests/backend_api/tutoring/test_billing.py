"""From measured seconds to money."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.tutoring.billing import Tariff, billed_seconds, charge, minutes


def tariff(unit="hour", rounding="none", block=1, minimum=0, rate="40", currency="EUR"):
    return Tariff(Decimal(rate), unit, currency, rounding, block, minimum)


TARIFFS = st.builds(
    Tariff,
    st.decimals("0", "10000", places=2),
    st.sampled_from(["session", "hour", "minute"]),
    st.sampled_from(["EUR", "JPY", "KWD"]),
    st.sampled_from(["none", "up", "nearest"]),
    st.integers(1, 60),
    st.integers(0, 120),
)
SECONDS = st.integers(0, 43_200)


@pytest.mark.parametrize(
    ("measured", "rule", "billed"),
    [
        (1_801, tariff(), 1_801),
        (1_801, tariff(rounding="up", block=15), 2_700),
        (1_800, tariff(rounding="up", block=15), 1_800),
        (2_249, tariff(rounding="nearest", block=15), 1_800),
        (2_250, tariff(rounding="nearest", block=15), 2_700),
        (29, tariff(rounding="nearest", block=1), 0),
        (60, tariff(minimum=30), 1_800),
        (0, tariff(rounding="up", block=15, minimum=30), 0),
    ],
)
def test_time_is_rounded_by_the_packages_rule(measured, rule, billed):
    """To the second, up to whole blocks, or to the nearest one; then the minimum; nothing measured bills nothing."""
    assert billed_seconds(measured, rule) == billed


@pytest.mark.parametrize(
    ("measured", "rule", "amount"),
    [
        (1_801, tariff("session", rate="25"), "25.00"),
        (5_400, tariff("hour", rate="40"), "60.00"),
        (90, tariff("minute", rate="0.333"), "0.50"),
        (100, tariff("hour", rate="1500", currency="JPY"), "42"),
        (100, tariff("hour", rate="1.5", currency="KWD"), "0.042"),
        (0, tariff("session", rate="25"), "0.00"),
        (420, tariff("session", rate="25", rounding="nearest", block=15), "25.00"),
        (420, tariff("hour", rate="25", rounding="nearest", block=15), "0.00"),
    ],
)
def test_an_amount_is_rate_times_units(measured, rule, amount):
    """Per session, hour or minute; half up to the currency's smallest unit."""
    assert str(charge(measured, rule).amount) == amount


@given(SECONDS, TARIFFS)
def test_a_bill_is_never_negative_and_keeps_the_minimum(measured, rule):
    """Whatever the rule, a lesson that was held bills its minimum at least."""
    bill = charge(measured, rule)
    assert bill.amount >= 0
    assert measured == 0 or bill.billed_seconds >= rule.minimum_minutes * 60


@given(SECONDS, SECONDS, TARIFFS)
def test_a_longer_lesson_never_costs_less(first, second, rule):
    """Billed time and amount grow with measured time."""
    short, long = (charge(seconds, rule) for seconds in sorted((first, second)))
    assert short.billed_seconds <= long.billed_seconds
    assert short.amount <= long.amount


@given(SECONDS.filter(bool), TARIFFS)
def test_rounding_moves_less_than_a_block(measured, rule):
    """Up adds less than a block, nearest at most half of one; both end on a block unless the minimum decides."""
    billed, block = billed_seconds(measured, rule), rule.block_minutes * 60
    if billed == rule.minimum_minutes * 60:
        return
    match rule.rounding:
        case "none":
            assert billed == measured
        case "up":
            assert billed % block == 0 and 0 <= billed - measured < block
        case "nearest":
            assert billed % block == 0 and abs(billed - measured) * 2 <= block


@pytest.mark.parametrize(("seconds", "text"), [(0, "0"), (60, "1"), (3_600, "60"), (100, "1.67"), (90, "1.5")])
def test_minutes_are_written_plainly(seconds, text):
    """Two decimals at most and no exponent."""
    assert str(minutes(seconds)) == text
