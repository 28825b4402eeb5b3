"""How much one client may ask for: a token bucket a connection, a number of sockets an address. Time is an argument."""

from enum import Enum
from ipaddress import ip_address

_FLOOD_DEBT = 5
"""A client that goes on for this many bursts after it was told to slow down is not listening."""


class Pace(Enum):
    """What to do with an event."""

    OK = "ok"
    SLOW_DOWN = "slow_down"
    FLOOD = "flood"


class TokenBucket:
    """`per_second` events on average, `burst` at once. Refused events cost too, so that hammering ends in FLOOD."""

    __slots__ = ("_filled_at", "_tokens")

    def __init__(self, burst: float, now: float) -> None:
        self._tokens = burst
        self._filled_at = now

    def take(self, per_second: float, burst: float, now: float) -> Pace:
        """Pay for one event; `now` is any clock that does not go back."""
        self._tokens = min(burst, self._tokens + (now - self._filled_at) * per_second) - 1
        self._filled_at = now
        if self._tokens >= 0:
            return Pace.OK
        return Pace.SLOW_DOWN if self._tokens > -_FLOOD_DEBT * burst else Pace.FLOOD


class AddressBook:
    """Sockets per address; no larger than the number of open sockets. One IPv6 subscriber is a /64."""

    def __init__(self, sockets_per_address: int) -> None:
        self._most = sockets_per_address
        self._sockets: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Count one more socket in; False, and nothing counted, when the address has its share."""
        key = _subscriber(address)
        sockets = self._sockets.get(key, 0)
        if sockets >= self._most:
            return False
        self._sockets[key] = sockets + 1
        return True

    def exit(self, address: str) -> None:
        """Count out a socket that `enter` counted in."""
        key = _subscriber(address)
        sockets = self._sockets[key] - 1
        if sockets:
            self._sockets[key] = sockets
        else:
            del self._sockets[key]

    def sockets(self, address: str) -> int:
        """How many sockets of the address are counted in."""
        return self._sockets.get(_subscriber(address), 0)

    def __len__(self) -> int:
        return len(self._sockets)


def _subscriber(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return f"{ip_address(address).packed[:8].hex()}/64"
    except ValueError:
        return address
