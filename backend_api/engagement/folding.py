"""The job that recounts marked hours and rolls them up: hours, days, weeks, months, years, of tracks and of groups.

Everything is derived before a day is closed, so a run that is cut off leaves its marks and is done again.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter

from backend_api.db import Mongo
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.documents import EVERYTHING, GROUP_STATS, TRACK_STATS, artist_group, day_totals
from backend_api.engagement.likes import TrackLikes
from backend_api.engagement.periods import Calendar, Slot
from backend_api.engagement.recovery import Recovery
from backend_api.engagement.retention import Retention
from backend_api.engagement.rolling import Roller
from backend_api.engagement.rollups import Figures
from backend_api.engagement.stats import Hours
from backend_api.engagement.tracks import OpenDay, OpenTrack, Totals, Tracks

TRACKS_PER_RUN = 500
DAYS_PER_TRACK = 62
"""How much of a long rebuild is done in one run; the newest days first."""

Slots = dict[date, list[Slot]]


class Folded(NamedTuple):
    """What a run did: days recounted and closed, batches taken up, days whose pending counts were wrong."""

    days: int
    recovered: int
    corrected: int


class FoldMetrics:
    """What the job did since the process started."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._days = Counter("engagement_days_folded", "Days of tracks recounted and closed", registry=registry)
        self._recovered = Counter("engagement_batches_recovered", "Batches found cut off", registry=registry)
        self._corrected = Counter(
            "engagement_counters_corrected", "Days whose pending counts a recount set right", registry=registry
        )

    def add(self, folded: Folded) -> None:
        self._days.inc(folded.days)
        self._recovered.inc(folded.recovered)
        self._corrected.inc(folded.corrected)


class Folder:
    """Recounts what is marked. One process runs it; a second one beside it does no harm."""

    def __init__(
        self,
        mongo: Mongo,
        roller: Roller,
        recovery: Recovery,
        retention: Retention,
        now: Callable[[], float],
        registry: CollectorRegistry,
    ) -> None:
        self._metrics = FoldMetrics(registry)
        self._tracks, self._likes, self._catalogue = Tracks(mongo), TrackLikes(mongo), Catalogue(mongo)
        self._roller = roller
        self._recovery = recovery
        self._retention = retention
        self._now = now

    async def run(self) -> None:
        """One round, as a job."""
        self._metrics.add(await self.fold())

    async def fold(self) -> Folded:
        """One round over what is marked now."""
        recovered = await self._recovery.run()
        tracks = await self._tracks.open_ones(await self._tracks.open_ids(TRACKS_PER_RUN))
        slots = {track.track_id: self._slots(track) for track in tracks}
        totals = {track: await self._recount(track, of_days) for track, of_days in slots.items()}
        await self._group(tracks, slots)
        days = corrected = 0
        for track in tracks:
            found = totals[track.track_id]
            closing = [(day, found.get(day.day, _expected(track, day))) for day in self._chosen(track)]
            days += await self._tracks.fold(track.track_id, closing, self._now())
            corrected += sum(new != _expected(track, day) for day, new in closing)
            if track.likes_mark is not None:
                likers = await self._likes.likers(track.track_id)
                await self._tracks.fold_likes(track.track_id, track.likes_mark, likers)
        await self._tracks.close(track.track_id for track in tracks)
        return Folded(days, recovered, corrected)

    def _chosen(self, track: OpenTrack) -> Sequence[OpenDay]:
        return sorted(track.days, key=lambda day: day.day, reverse=True)[:DAYS_PER_TRACK]

    def _slots(self, track: OpenTrack) -> Slots:
        """The hours to recount. A day that has begun to be removed keeps its totals, and what is pending is added."""
        days = [day for day in self._chosen(track) if self._retention.is_recountable(day.day, self._now())]
        return {day.day: _slots_of(day, self._retention.calendar) for day in days}

    async def _recount(self, track: str, slots: Slots) -> dict[date, Totals]:
        hours = await self._roller.recount(track, [slot for of_day in slots.values() for slot in of_day])
        days = await self._roller.roll_up(TRACK_STATS, track, hours)
        return {day: day_totals(days.get(day, Figures()).sums) for day in slots}

    async def _group(self, tracks: Sequence[OpenTrack], slots: dict[str, Slots]) -> None:
        """Brings the artists of these tracks, and the group of all, up to what the tracks' hours are now."""
        changed: dict[str | None, dict[date, set[int]]] = defaultdict(lambda: defaultdict(set))
        for track in tracks:
            for day, of_day in slots[track.track_id].items():
                for artist in (None, *track.artists):
                    changed[artist][day] |= {slot.hour for slot in of_day}
        for artist, days in changed.items():
            members = None if artist is None else await self._catalogue.tracks_of(artist)
            hours: dict[date, Hours] = {}
            for day, numbers in days.items():
                hours[day] = await self._roller.group_hours(members, day, numbers)
            await self._roller.roll_up(GROUP_STATS, EVERYTHING if artist is None else artist_group(artist), hours)


def _slots_of(day: OpenDay, calendar: Calendar) -> list[Slot]:
    if day.hours is None:
        return calendar.slots_of(day.day)
    return [Slot(day.day, hour) for hour in sorted(day.hours)]


def _expected(track: OpenTrack, day: OpenDay) -> Totals:
    """What the counters said: the total of the last recount, and what came since."""
    before = track.totals.get(day.day, [0] * len(day.pending))
    return [old + new for old, new in zip(before, day.pending, strict=True)]
