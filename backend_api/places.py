"""Where a client is: by the headers of a trusted proxy, else by a MaxMind file of the operator's; off by default.

The one lookup of the backend. What is made of a place is its callers' business; the address itself is not kept here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import maxminddb

from backend_api.service.addresses import Networks, is_trusted
from backend_api.service.errors import ConfigError
from backend_api.service.places import Place, place


class Places:
    """`country_header` and `region_header` are believed from `trusted` peers alone. ConfigError for a bad file."""

    def __init__(
        self,
        file: Path | None,
        *,
        country_header: str | None = None,
        region_header: str | None = None,
        trusted: Networks = (),
    ) -> None:
        self._reader = _opened(file)
        self._country_header, self._region_header, self._trusted = country_header, region_header, trusted

    def of_request(self, peer: str, headers: Mapping[str, str], address: str) -> Place:
        """Where the sender of a request is. `peer` is who is connected, `address` the client behind it."""
        told = self.told(peer, headers)
        return self.of_address(address) if told.country is None else told

    def told(self, peer: str, headers: Mapping[str, str]) -> Place:
        """What the headers alone say: a service that passes on what others did is not where these are."""
        if self._country_header is None or not is_trusted(peer, self._trusted):
            return Place()
        return place(headers.get(self._country_header), headers.get(self._region_header or ""))

    def of_address(self, address: str) -> Place:
        """Where the file has the address."""
        if self._reader is None:
            return Place()
        try:
            found = self._reader.get(address)
        except ValueError:
            return Place()
        return _place_in(found) if isinstance(found, dict) else Place()


def _opened(file: Path | None) -> maxminddb.Reader | None:
    try:
        return None if file is None else maxminddb.open_database(file, maxminddb.MODE_MEMORY)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise ConfigError(f"backend.places.file: {error}") from None


def _place_in(found: Mapping[str, Any]) -> Place:
    subdivisions = found.get("subdivisions")
    first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else None
    return place(_code(found.get("country")), _code(first))


def _code(named: object) -> object:
    return named.get("iso_code") if isinstance(named, dict) else None
