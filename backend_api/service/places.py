"""Where somebody is: a country and perhaps a region of it, as codes. Pure; knows no address and no file."""

import re
from typing import NamedTuple

_COUNTRY = re.compile(r"[A-Z]{2}")
_REGION = re.compile(r"[A-Z0-9]{1,3}")
_NOWHERE = frozenset({"XX", "ZZ"})
"""What services that tell countries say where they know none; their other word, T1, is no country's form."""


class Place(NamedTuple):
    """Codes of ISO 3166-1 and 3166-2, such as DE and DE-NW; None where it is not known."""

    country: str | None = None
    region: str | None = None

    def facts(self) -> dict[str, str]:
        """What is known, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def place(country: object, region: object = None) -> Place:
    """The place that two codes name; a region may come with its country in front (`DE-NW`) or without (`NW`)."""
    code = country.strip().upper() if isinstance(country, str) else ""
    if not _COUNTRY.fullmatch(code) or code in _NOWHERE:
        return Place()
    part = region.strip().upper().removeprefix(f"{code}-") if isinstance(region, str) else ""
    return Place(code, f"{code}-{part}" if _REGION.fullmatch(part) else None)
