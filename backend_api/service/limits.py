"""How much an address may send: a token bucket each, in bounded memory. Pure; the time is an argument."""

import math
from collections import OrderedDict

MAX_ADDRESSES = 50_000


class AddressLimits:
    """Every address may send `cap` of something at once and `per_second` on average. Kept by this process alone."""

    def __init__(self, *, per_second: float, cap: int) -> None:
        self._per_second = per_second
        self._cap = cap
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, events: int, now: float) -> int:
        """0 where the events are within the limit, else after how many seconds they will be; then none is taken."""
        tokens, filled_at = self._buckets.pop(address, (float(self._cap), now))
        tokens = min(self._cap, tokens + max(0.0, now - filled_at) * self._per_second)
        wanted = min(max(events, 1), self._cap)
        is_within = wanted <= tokens
        self._buckets[address] = (tokens - wanted if is_within else tokens, now)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return 0 if is_within else math.ceil((wanted - tokens) / self._per_second)
