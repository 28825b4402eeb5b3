"""The country of an address, from a MaxMind database file of the operator's. Without a file nobody's is known."""

from pathlib import Path

import maxminddb

from backend_api.service.errors import ConfigError


class Countries:
    """Looks addresses up in memory. ConfigError for a file that cannot be read."""

    def __init__(self, file: Path | None) -> None:
        try:
            self._reader = None if file is None else maxminddb.open_database(file, maxminddb.MODE_MEMORY)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise ConfigError(f"backend.engagement.country_file: {error}") from None

    def of(self, address: str) -> str | None:
        """The ISO 3166 code, or None."""
        if self._reader is None:
            return None
        try:
            found = self._reader.get(address)
        except ValueError:
            return None
        country = found.get("country") if isinstance(found, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        return code if isinstance(code, str) else None
