"""Country and region of an address, from a MaxMind file of the operator's. Without a file nobody's are known."""

from pathlib import Path
from typing import Any

import maxminddb

from backend_api.contract.sessions import IntervalReport
from backend_api.listening.devices import device_of
from backend_api.service.errors import ConfigError


class Places:
    """Looks addresses up; they themselves are not kept. ConfigError for a file that cannot be read."""

    def __init__(self, file: Path | None) -> None:
        try:
            self._reader = None if file is None else maxminddb.open_database(file)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise ConfigError(f"backend.listening.places_file: {error}") from None

    def of(self, address: str) -> dict[str, str]:
        """`country` and `region` (ISO 3166-1 and 3166-2 codes), as far as they are known."""
        found = self._found(address)
        country = _code(found.get("country"))
        subdivisions = found.get("subdivisions")
        region = _code(subdivisions[0]) if isinstance(subdivisions, list) and subdivisions else None
        known = {"country": country, "region": f"{country}-{region}" if country and region else None}
        return {name: value for name, value in known.items() if value is not None}

    def describe(self, report: IntervalReport) -> dict[str, str]:
        """Device and place as facts of the session; neither user agent nor address are kept."""
        device = {"device": device_of(report.user_agent)} if report.user_agent else {}
        return device | (self.of(report.address) if report.address else {})

    def _found(self, address: str) -> dict[str, Any]:
        if self._reader is None:
            return {}
        try:
            found = self._reader.get(address)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def _code(place: object) -> str | None:
    code = place.get("iso_code") if isinstance(place, dict) else None
    return code if isinstance(code, str) else None
