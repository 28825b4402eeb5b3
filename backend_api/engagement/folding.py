"""The job that recounts marked hours and rolls them up: hours, days, weeks, months, years, of tracks and of groups.

Everything is derived before a day is closed, so a run that is cut off leaves its marks and is done again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter

from backend_api.db import UNAVAILABLE, Mongo
from backend_api.engagement.buckets import NOTHING, DayClosing, OpenTrack, day_of, is_busy
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
from backend_api.engagement.foundations import Foundations
from backend_api.engagement.hot_hours import HotHours
from backend_api.engagement.intents import Intent, Intents, tracks_of
from backend_api.engagement.likes import TrackLikes
from backend_api.engagement.periods import Slot
from backend_api.engagement.recounting import Recounter
from backend_api.engagement.recovery import Recovery
from backend_api.engagement.retention import Retention
from backend_api.engagement.rolling import Roller, merged
from backend_api.engagement.rollups import Figures
from backend_api.engagement.runs import Runs
from backend_api.engagement.stats import Hours
from backend_api.engagement.tracks import Tracks

TRACKS_PER_RUN = 500
DAYS_PER_TRACK = 62
"""How much of a long rebuild is done in one run; the newest days first."""
LEFT_SECONDS = 3_600.0
"""So long after traffic has left a day, nobody marks its hours one by one."""
SETTLED_SECONDS = 5.0
"""A batch is stored long before; what is still there then was most likely cut off."""

Slots = dict[date, list[Slot]]
Plan = tuple[OpenTrack, Slots, list[DayClosing]]
"""A track, the hours that were recounted of it, and what its days are to be closed with."""

log = structlog.get_logger(__name__)


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
    """Recounts what is marked. One process runs it; what a second one writes beside it is told apart by `runs`."""

    def __init__(
        self,
        mongo: Mongo,
        recounter: Recounter,
        roller: Roller,
        recovery: Recovery,
        foundations: Foundations,
        retention: Retention,
        now: Callable[[], float],
        registry: CollectorRegistry,
    ) -> None:
        self._metrics = FoldMetrics(registry)
        self._tracks, self._likes, self._catalogue = Tracks(mongo), TrackLikes(mongo), Catalogue(mongo)
        self._hot, self._runs = HotHours(), Runs(mongo)
        self._recounter, self._roller = recounter, roller
        self._recovery, self._foundations, self._intents = recovery, foundations, Intents(mongo)
        self._retention = retention
        self._now = now

    async def run(self) -> None:
        """One round, as a job."""
        await self._foundations.refresh()
        self._metrics.add(await self.fold())

    async def fold(self) -> Folded:
        """One round over what is marked now."""
        recovered = await self._recovery.run()
        if not await self._tracks.open_ids(1):
            return Folded(0, recovered, 0)
        run = await self._runs.begin()
        tracks = await self._open_tracks()
        plans = await self._plans(tracks, run)
        await self._group([(track, slots) for track, slots, _ in plans], run)
        intents = await self._intents.all()
        if not await self._runs.is_newest(run):
            log.warning("round_overtaken", run=run)
            return Folded(0, recovered, 0)
        days = corrected = 0
        for track, _, closings in plans:
            closed = await self._close(track, closings, intents)
            days += len(closed)
            corrected += sum(day.corrects(track) for day in closed)
        await self._count_likers(tracks)
        await self._tracks.leave([track.track_id for track in tracks], self._now())
        return Folded(days, recovered, corrected)

    async def _plans(self, tracks: Iterable[OpenTrack], run: int) -> list[Plan]:
        """Brings their own rollups up to date; a track of which that is impossible waits for the next round."""
        plans: list[Plan] = []
        for track in tracks:
            slots = self._slots(track)
            try:
                plans.append((track, slots, await self._recount(track, slots, run)))
            except UNAVAILABLE:
                raise
            except Exception:
                log.exception("track_not_rolled_up", track=track.track_id)
        return plans

    async def _open_tracks(self) -> list[OpenTrack]:
        """The tracks of this round; of those that have moved all days are marked first."""
        ids, now = await self._tracks.open_ids(TRACKS_PER_RUN), self._now()
        tracks = await self._tracks.open_ones(ids)
        moved = [track for track in tracks if track.moved is not None]
        for track in moved:
            await self._tracks.regroup(track, self._retention.first_recountable_day(now), now)
        return await self._tracks.open_ones(ids) if moved else tracks

    def _slots(self, track: OpenTrack) -> Slots:
        """The hours to recount, of the newest days. What has begun to be removed is not recounted."""
        now = self._now()
        days = [day for day in track.open_days()[:DAYS_PER_TRACK] if self._retention.is_recountable(day, now)]
        return {day: track.slots(day, self._retention.calendar) for day in days}

    async def _recount(self, track: OpenTrack, slots: Slots, run: int) -> list[DayClosing]:
        """Brings the rollups of a track up to what its raw events are; what its days are then to be closed with."""
        hours: dict[date, Hours] = {day: {} for day in slots}
        for slot, parts in (
            await self._hour_parts(track, [slot for of_day in slots.values() for slot in of_day])
        ).items():
            hours[slot.day][slot.hour] = await merged(parts)
        days = await self._roller.roll_up(TRACK_STATS, track.track_id, hours, run)
        return [
            self._closing(track, day, hours.get(day, {}), days.get(day)) for day in track.open_days()[:DAYS_PER_TRACK]
        ]

    async def _hour_parts(self, track: OpenTrack, slots: Sequence[Slot]) -> dict[Slot, list[Figures]]:
        found: dict[Slot, list[Figures]] = {}
        for slot in slots:
            if (known := self._hot.known(track, slot)) is not None:
                changed = [number for number, figures in enumerate(known) if figures is None]
                fresh = await self._recounter.slices(track.track_id, slot, changed)
                found[slot] = [fresh[n] if figures is None else figures for n, figures in enumerate(known)]
        others = (slot for slot in slots if slot not in found)
        found |= await self._recounter.hours(track.track_id, others, track.expected_in)
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
        calendar, now = self._retention.calendar, self._now()
        if track.keeps_hours(day, calendar.day_of(now)):
            return DayClosing(day, by_hour, None)
        if not is_busy(day, calendar.day_of(now - LEFT_SECONDS)):  # No batch opens an hour of it any more.
            by_hour = {bucket: totals for bucket, totals in by_hour.items() if bucket in track.buckets}
        return DayClosing(day, by_hour, day_totals(figures.sums))

    async def _close(
        self, track: OpenTrack, days: Sequence[DayClosing], intents: Iterable[Intent]
    ) -> Sequence[DayClosing]:
        """What batches are being stored into is left open: of those the recount may know more than the counters do."""
        mine = [intent for intent in intents if track.track_id in tracks_of([intent])]
        since_at = self._now() - SETTLED_SECONDS
        busy = {hour_bucket(slot) for i in mine for name, slot in i.slots if name == track.track_id and i.at > since_at}
        left = [free for day in days if (free := day.without(track, busy)) is not None]
        after, closed = await self._tracks.fold(track, left, self._now())
        self._hot.closed(track, after, (bucket for day in closed for bucket in day.buckets))
        return closed

    async def _count_likers(self, tracks: Iterable[OpenTrack]) -> None:
        """Of the tracks where that is in doubt, unless a batch is on its way whose likers may be counted already."""
        likers = [(track, await self._likes.likers(track.track_id)) for track in tracks if track.likes_mark is not None]
        busy = tracks_of(await self._intents.all()) if likers else set()
        for track, number in likers:
            if track.track_id not in busy:
                await self._tracks.fold_likes(track, number)

    async def _group(self, tracks: Sequence[tuple[OpenTrack, Slots]], run: int) -> None:
        """Brings the artists of these tracks, and the group of all, up to what the tracks' hours are now."""
        changed: dict[str | None, dict[date, set[int]]] = defaultdict(lambda: defaultdict(set))
        for track, slots in tracks:
            for day, of_day in slots.items():
                for artist in (None, *track.artists):
                    changed[artist][day] |= {slot.hour for slot in of_day}
        for artist, days in changed.items():
            members = None if artist is None else await self._catalogue.titles_of(artist)
            hours: dict[date, Hours] = {}
            for day, numbers in days.items():
                hours[day] = await self._roller.group_hours(members, day, numbers)
            group = EVERYTHING if artist is None else artist_group(artist)
            await self._roller.roll_up(GROUP_STATS, group, hours, run)
