"""What is held against a connection, whatever namespaces it joins: its address's share and the pace of its events.

Asked by the engine before a connection is opened. Knows nothing of rooms and tokens.
"""

from collections.abc import Callable

from backend_api.service.addresses import Networks, client_address, is_trusted
from backend_api.service.places import Place, place
from presence_server.config import LimitSettings
from presence_server.engine.requests import Facts
from presence_server.limits import AddressBook, Pace, TokenBucket

_NOWHERE = Place()
SHARES = 2
"""So many times its share an address may open: those beyond the first are told why, and have to go."""


class _Entrant:
    """An open connection."""

    __slots__ = ("address", "bucket", "is_beyond", "place")

    def __init__(self, address: str, place: Place, bucket: TokenBucket, *, is_beyond: bool) -> None:
        self.address = address
        self.place = place
        self.bucket = bucket
        self.is_beyond = is_beyond


class FrontDoor:
    """The connections of this process, from their opening to their end. `now` is a clock that does not go back."""

    def __init__(self, limits: LimitSettings, trusted_proxies: Networks, now: Callable[[], float]) -> None:
        self._limits = limits
        self._trusted = trusted_proxies
        self._now = now
        self._addresses = AddressBook(limits.sockets_per_address * SHARES)
        self._entrants: dict[str, _Entrant] = {}

    def enter(self, connection: str, facts: Facts) -> bool:
        """Count a connection in; False, and nothing counted, when its address has far too many."""
        forwarded = [facts.forwarded_for] if facts.forwarded_for else []
        address = client_address(facts.address, forwarded, self._trusted)
        if not self._addresses.enter(address):
            return False
        is_beyond = self._addresses.sockets(address) > self._limits.sockets_per_address
        bucket = TokenBucket(self._limits.events_at_once, self._now())
        self._entrants[connection] = _Entrant(address, self._place(facts), bucket, is_beyond=is_beyond)
        return True

    def leave(self, connection: str) -> None:
        """A connection that was counted in has ended."""
        self._addresses.exit(self._entrants.pop(connection).address)

    def is_beyond(self, connection: str) -> bool:
        """Whether the connection's address had its share already when it was opened."""
        return self._entrants[connection].is_beyond

    def address(self, connection: str) -> str:
        """Where the connection comes from, through the proxies that are trusted."""
        return self._entrants[connection].address

    def place(self, connection: str) -> Place:
        """Where a trusted proxy says that the client is."""
        return self._entrants[connection].place

    def pace(self, connection: str) -> Pace:
        """Pay for one event; what a connection that has ended said before is free."""
        entrant, limits = self._entrants.get(connection), self._limits
        if entrant is None:
            return Pace.OK
        return entrant.bucket.take(limits.events_per_second, limits.events_at_once, self._now())

    def __len__(self) -> int:
        return len(self._entrants)

    def _place(self, facts: Facts) -> Place:
        """The engine keeps the headers that say it: first the country's, then the region's, as far as there are any."""
        if not facts.kept or not is_trusted(facts.address, self._trusted):
            return _NOWHERE
        return place(*facts.kept)
