"""The slices of hours with many events, kept in memory by whoever folds, so that only what has changed is read again.

Pure. A slice may be used again only if nothing of it was marked since it was counted: its marks are those that were
seen before, and nobody but us has closed anything of the track (closing takes marks away). Else it is read again, which
is always right.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backend_api.engagement.buckets import OpenTrack
from backend_api.engagement.documents import hour_bucket
from backend_api.engagement.periods import SLICES, Slot
from backend_api.engagement.rollups import Figures

MAX_HOURS = 32
"""Of so many hours the slices are kept: at most 2 MB each."""

Marks = tuple[tuple[str | None, ...], ...]


class _Hot(NamedTuple):
    marks: Marks
    closings: int | None
    slices: Sequence[Figures]


class HotHours:
    """By track and hour; what was not used for longest is forgotten first."""

    def __init__(self) -> None:
        self._hours: OrderedDict[tuple[str, Slot], _Hot] = OrderedDict()

    def known(self, track: OpenTrack, slot: Slot) -> list[Figures | None] | None:
        """The slices of an hour, None for each that has changed; None where nothing is known of it."""
        hot = self._hours.get((track.track_id, slot))
        if hot is None or hot.closings != track.closings:
            return None
        now = _marks(track, slot)
        return [
            figures if seen == mark else None for figures, seen, mark in zip(hot.slices, hot.marks, now, strict=True)
        ]

    def keep(self, track: OpenTrack, slot: Slot, slices: Sequence[Figures]) -> None:
        """As they were counted after `track` had been read."""
        self._hours[track.track_id, slot] = _Hot(_marks(track, slot), track.closings, slices)
        self._hours.move_to_end((track.track_id, slot))
        while len(self._hours) > MAX_HOURS:
            self._hours.popitem(last=False)

    def closed(self, before: OpenTrack, after: OpenTrack, buckets: Iterable[str]) -> None:
        """These were closed by us, between the two and nobody else's closings."""
        gone = set(buckets)
        left = after._replace(buckets={name: bucket for name, bucket in before.buckets.items() if name not in gone})
        for (track, slot), hot in [*self._hours.items()]:
            if track == before.track_id and hot.closings == before.closings:
                marks = _marks(left, slot) if hour_bucket(slot) in gone else hot.marks
                self._hours[track, slot] = hot._replace(marks=marks, closings=after.closings)


def _marks(track: OpenTrack, slot: Slot) -> Marks:
    return tuple(track.slice_marks(slot, number) for number in range(SLICES))
