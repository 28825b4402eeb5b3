"""The job that recounts marked hours and rolls them up: hours, days, weeks, months, years, of tracks and of groups.

Everything is derived before a day is closed, so a run that is cut off leaves its marks and is done again.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter

from backend_api.db import Mongo
from backend_api.engagement.buckets import NOTHING, DayClosing, OpenTrack, day_of
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.documents import (
    EVERYTHING,
    GROUP_STATS,
    TRACK_STATS,
    artist_group,
    day_bucket,
    day_totals,
    hour_bucket,
)
from backend_api.engagement.hot_hours import HotHours
from backend_api.engagement.likes import TrackLikes
from backend_api.engagement.periods import Slot
from backend_api.engagement.recovery import Recovery
from backend_api.engagement.retention import Retention
from backend_api.engagement.rolling import Roller, merged
from backend_api.engagement.rollups import Figures
from backend_api.engagement.stats import Hours
from backend_api.engagement.tracks import Tracks

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
        self._hot = HotHours()
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
        closings = {track.track_id: await self._recount(track, slots[track.track_id]) for track in tracks}
        await self._group(tracks, slots)
        days = corrected = 0
        for track in tracks:
            closed = await self._close(track, closings[track.track_id])
            days += len(closed)
            corrected += sum(day.corrects(track) for day in closed)
        await self._tracks.leave([track.track_id for track in tracks], self._now())
        return Folded(days, recovered, corrected)

    def _slots(self, track: OpenTrack) -> Slots:
        """The hours to recount, of the newest days. What has begun to be removed is not recounted."""
        now = self._now()
        days = [day for day in track.open_days()[:DAYS_PER_TRACK] if self._retention.is_recountable(day, now)]
        return {day: track.slots(day, self._retention.calendar) for day in days}

    async def _recount(self, track: OpenTrack, slots: Slots) -> list[DayClosing]:
        """Brings the rollups of a track up to what its raw events are; what its days are then to be closed with."""
        hours: dict[date, Hours] = {day: {} for day in slots}
        for slot, parts in (
            await self._hour_parts(track, [slot for of_day in slots.values() for slot in of_day])
        ).items():
            hours[slot.day][slot.hour] = await merged(parts)
        days = await self._roller.roll_up(TRACK_STATS, track.track_id, hours)
        return [
            self._closing(track, day, hours.get(day, {}), days.get(day)) for day in track.open_days()[:DAYS_PER_TRACK]
        ]

    async def _hour_parts(self, track: OpenTrack, slots: Sequence[Slot]) -> dict[Slot, list[Figures]]:
        found: dict[Slot, list[Figures]] = {}
        for slot in slots:
            if (known := self._hot.known(track, slot)) is not None:
                changed = [number for number, figures in enumerate(known) if figures is None]
                fresh = await self._roller.recount_slices(track.track_id, slot, changed)
                found[slot] = [fresh[n] if figures is None else figures for n, figures in enumerate(known)]
        found |= await self._roller.recount(track.track_id, [slot for slot in slots if slot not in found])
        for slot, parts in found.items():
            if len(parts) > 1:
                self._hot.keep(track, slot, parts)
        return found

    def _closing(self, track: OpenTrack, day: date, hours: Hours, figures: Figures | None) -> DayClosing:
        """A day of which nothing was recounted keeps its totals, and what is pending is added."""
        by_hour = {hour_bucket(Slot(day, hour)): day_totals(found.sums) for hour, found in hours.items()}
        if figures is None:
            of_day = (bucket for bucket in track.buckets if day_of(bucket) == day and bucket != day_bucket(day))
            return DayClosing(day, dict.fromkeys(of_day, NOTHING), track.expected(day))
        keeps_hours = track.keeps_hours(day, self._retention.calendar.day_of(self._now()))
        return DayClosing(day, by_hour, None if keeps_hours else day_totals(figures.sums))

    async def _close(self, track: OpenTrack, days: Sequence[DayClosing]) -> Sequence[DayClosing]:
        after, closed = await self._tracks.fold(track, days, self._now())
        self._hot.closed(track, after, (bucket for day in closed for bucket in day.buckets))
        if track.likes_mark is not None:
            likers = await self._likes.likers(track.track_id)
            await self._tracks.fold_likes(track.track_id, track.likes_mark, likers)
        return closed

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
