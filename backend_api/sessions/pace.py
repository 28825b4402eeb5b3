"""How many calls about sessions (start, beat, end) an address may make over HTTP; services of ours are not counted.

Ends count too, but the burst is far above what a page sends in its whole life. Pure; the time is an argument.
"""

from backend_api.service.access import Caller, Internal
from backend_api.service.errors import TooManyRequests
from backend_api.service.limits import AddressLimits


class CallPace:
    """The pace of all session calls together, by address."""

    def __init__(self, *, per_second: float, at_once: int) -> None:
        self._limits = AddressLimits(per_second=per_second, cap=at_once)

    def check(self, caller: Caller, address: str, now: float) -> None:
        """TooManyRequests where the address has made too many calls."""
        if isinstance(caller, Internal):
            return
        if wait := self._limits.take(address, 1, now):
            raise TooManyRequests("Too many calls from this address.", retry_after_seconds=wait)
