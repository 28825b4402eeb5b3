"""The time this process lives by: the wall clock read once, then advanced on the monotonic clock.

Owns the boot number too, because a step of the wall clock ends one life of the node and starts another (DESIGN 6).
Knows nothing of slots and rooms.
"""

import time
from collections.abc import Callable

STEP_SECONDS = 0.5
"""A larger difference from the wall clock is a step; a smaller one is slewed away."""

PAUSE_SECONDS = 10.0
"""Nobody was looking for longer than this: what the counts were meanwhile is unknown, as after a step."""

_MOST_SLEW = 0.01


class Clock:
    """Time in Unix seconds that never goes back within one boot."""

    def __init__(
        self,
        last_boot: int = 0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._rate = 1.0
        self._anchor(wall(), monotonic())
        self.boot = self._boot_after(last_boot)

    def now(self) -> float:
        return self._base_at + (self._monotonic() - self._base_monotonic) * self._rate

    def check(self) -> bool:
        """Compare with the wall clock; True when it stepped, or nobody had looked for too long: a new boot began.

        Call it at every tick. `now()` follows the wall clock from here: at once after a step, else by at most 1 %.
        """
        wall, monotonic = self._wall(), self._monotonic()
        now, unseen_seconds = self.now(), monotonic - self._base_monotonic
        drift_seconds = wall - now
        if abs(drift_seconds) > STEP_SECONDS or unseen_seconds > PAUSE_SECONDS:
            self._rate = 1.0
            self._anchor(wall, monotonic)
            self.boot = self._boot_after(self.boot)
            return True
        self._anchor(now, monotonic)
        self._rate = 1.0 + max(-_MOST_SLEW, min(_MOST_SLEW, drift_seconds / PAUSE_SECONDS))
        return False

    def paused(self) -> bool:
        """Whether the last `check` is so long ago that the next one will start a new boot."""
        return self._monotonic() - self._base_monotonic > PAUSE_SECONDS

    def _anchor(self, at: float, monotonic: float) -> None:
        self._base_at, self._base_monotonic = at, monotonic

    def _boot_after(self, last: int) -> int:
        """Boots are told apart and ordered by this number even when the clock went back between them."""
        return max(last + 1, int(self._base_at * 1000))
