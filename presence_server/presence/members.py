"""Which incarnations of nodes count, as this process has seen it with its own eyes. Pure: time is an argument.

A member is dead for a reader that saw its counter unchanged in five successful reads over ten seconds. A read that
fails begins the observation anew, so that an outage, or a pause of the reader's own, accuses nobody.
"""

from collections.abc import Mapping
from typing import NamedTuple

BEAT_SECONDS = 2.0
SILENT_READS = 5
SILENT_SECONDS = 10.0
LATE_SECONDS = 8.0
"""A node that had no good beat for so long gives its incarnation up, before the first reader may accuse it."""

_REMEMBERED_SECONDS = 180.0


class Reading(NamedTuple):
    """What a read of the membership changed, and whom to accuse: member -> the counter that did not move."""

    came: frozenset[str]
    gone: frozenset[str]
    silent: dict[str, int]


class _Sight:
    __slots__ = ("counter", "moved_at", "reads", "since")

    def __init__(self, counter: int, now: float) -> None:
        self.counter = counter
        self.since = self.moved_at = now
        self.reads = 0


class Members:
    """The membership as it was last read. `edition` changes with it."""

    def __init__(self) -> None:
        self._sights: dict[str, _Sight] = {}
        self._left: dict[str, float] = {}
        self._missed = False
        self.edition = 0

    def read(self, counters: Mapping[str, int], now: float) -> Reading:
        """Take in what the membership hash holds now."""
        known = self._sights.keys()
        came, gone = frozenset(counters.keys() - known), frozenset(known - counters.keys())
        for member in gone:
            self._left[member] = self._sights.pop(member).moved_at
        for member, counter in counters.items():
            self._see(member, counter, now)
        if came or gone:
            self.edition += 1
            self._left = {member: at for member, at in self._left.items() if at > now - _REMEMBERED_SECONDS}
        self._missed = False
        return Reading(came, gone, {m: s.counter for m, s in self._sights.items() if _is_silent(s, now)})

    def miss(self) -> None:
        """A read failed."""
        self._missed = True

    def left_at(self, member: str, now: float) -> float:
        """When a member that is gone was last seen to live; `now` of one that was never seen."""
        return self._left.get(member, now)

    def __contains__(self, member: str) -> bool:
        return member in self._sights

    def __len__(self) -> int:
        return len(self._sights)

    def _see(self, member: str, counter: int, now: float) -> None:
        sight = self._sights.get(member)
        if sight is None:
            self._sights[member] = _Sight(counter, now)
        elif sight.counter != counter:
            sight.counter, sight.since, sight.moved_at, sight.reads = counter, now, now, 0
        elif self._missed:
            sight.since, sight.reads = now, 0
        else:
            sight.reads += 1


def _is_silent(sight: _Sight, now: float) -> bool:
    return sight.reads >= SILENT_READS and now - sight.since >= SILENT_SECONDS


def next_inc(last: int, unix_seconds: float) -> int:
    """The number of a new incarnation: above the last one even where the clock went back."""
    return max(last + 1, int(unix_seconds * 1_000))
