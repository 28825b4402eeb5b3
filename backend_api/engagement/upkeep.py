"""What admins may ask of the figures: an audit of a track, and a range recounted. And the purge of old raw events."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import date

from backend_api.contract.events import Audit, Counters
from backend_api.db import Mongo
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.documents import COUNTED, RAW, day_totals
from backend_api.engagement.events import FUTURE_SECONDS
from backend_api.engagement.foundations import Foundations
from backend_api.engagement.likes import TrackLikes, opinion_in
from backend_api.engagement.periods import HOUR_SECONDS, Slot, next_day
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.recounting import Recounter
from backend_api.engagement.retention import Retention
from backend_api.engagement.rollups import Sums
from backend_api.engagement.tracks import Tracks
from backend_api.service.errors import Conflict, FieldError, NotFound, Unprocessable

UPKEEP_SECONDS = 3_600.0
REST_FACTOR = 9.0
"""Rest per time worked while purging: it keeps the database busy for at most a tenth of the time."""


class Upkeep:
    """Sealing, purging, auditing, rebuilding."""

    def __init__(
        self,
        mongo: Mongo,
        recounter: Recounter,
        foundations: Foundations,
        retention: Retention,
        now: Callable[[], float],
        *,
        purges: bool,
    ) -> None:
        self._tracks, self._raw, self._likes = Tracks(mongo), RawEvents(mongo), TrackLikes(mongo)
        self._catalogue = Catalogue(mongo)
        self._recounter, self._foundations = recounter, foundations
        self._retention = retention
        self._now = now
        self._purges = purges

    @property
    def today(self) -> date:
        return self._retention.calendar.day_of(self._now())

    async def audit(self, track: str) -> Audit:
        """The counters beside a recount of all raw events there are; what is older is taken as it was sealed."""
        await self._foundations.refresh()
        found = await self._tracks.counters(track)
        if found is None:
            raise NotFound("There is no such track.")
        counters, pending = found
        first = self._retention.first_recountable_day(self._now())
        older = await self._tracks.totals_before(track, first)
        slots = self._slots_from(first)
        hours = await self._recounter.hours(track, slots)
        sums = dict(zip(COUNTED, older, strict=True))
        for parts in hours.values():
            for name, number in zip(COUNTED, day_totals(Sums.total(part.sums for part in parts)), strict=True):
                sums[name] += number
        recount = Counters(
            play_count=sums["plays"],
            like_count=await self._likers(track, first),
            share_count=sums["shares"],
            download_count=sums["downloads"],
        )
        return Audit(counters=counters, recount=recount, equal=counters == recount, pending=pending)

    async def rebuild(self, first: date, last: date) -> int:
        """Has every track's days from `first` to `last` recounted; how many days of tracks that is.

        Conflict where raw events of that time have been removed, Unprocessable for days to come.
        """
        await self._foundations.refresh()
        now = self._now()
        if last > (tomorrow := next_day(self._retention.calendar.day_of(now))):
            raise Unprocessable("Days to come have no events.", errors=[FieldError("#/to", f"At most {tomorrow}")])
        if first < (oldest := self._retention.first_recountable_day(now)):
            raise Conflict(f"Not all raw events of that time are there: only those from {oldest} on.")
        days = [first]
        while days[-1] < last:
            days.append(next_day(days[-1]))
        tracks = await self._catalogue.all_tracks()
        await self._tracks.reopen(tracks, days, now)
        return len(tracks) * len(days)

    async def regroup(self, tracks: Iterable[str]) -> None:
        """After tracks have changed hands: what both artists have of them is made anew, as far back as is possible."""
        now = self._now()
        for track in await self._tracks.open_ones(tracks):
            await self._tracks.regroup(track, self._retention.first_recountable_day(now), now)

    async def run(self) -> None:
        """The hourly round: what can no longer change is summed up, what is too old is removed."""
        await self._foundations.refresh()
        now = self._now()
        await self._tracks.settle(self._retention.calendar.day_of(now), self._retention.first_recountable_day(now))
        if self._purges:
            for name in RAW:
                await self.purge(name)
            await self._purge_ids()

    async def purge(self, name: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Removes old events of one collection, an hour of them at once."""
        before_at = self._retention.removed_before(self._now())
        while (oldest_at := await self._raw.oldest_at(name)) is not None and oldest_at < before_at:
            started = time.perf_counter()
            await self._raw.remove_before(name, min(before_at, oldest_at + HOUR_SECONDS))
            await sleep((time.perf_counter() - started) * REST_FACTOR)

    async def _purge_ids(self) -> None:
        """Like `purge`; one cannot search them by their age, but they lie in the order in which they came."""
        removed = 1
        while removed:
            started = time.perf_counter()
            removed = await self._raw.remove_ids_before(self._retention.removed_before(self._now()))
            await asyncio.sleep((time.perf_counter() - started) * REST_FACTOR)

    async def _likers(self, track: str, first: date) -> int:
        """By the raw likes, and by what is kept of people whose last one is older than those."""
        first_at = self._retention.calendar.start_of(first)
        likes = await self._raw.likes_of(track, first_at, self._now() + FUTURE_SECONDS)
        opinions = {key: liked for key, (at, liked) in (await self._likes.of_track(track)).items() if at < first_at}
        for opinion in sorted(map(opinion_in, likes), key=lambda opinion: opinion.order):
            opinions[opinion.key] = opinion.liked
        return sum(opinions.values())

    def _slots_from(self, first: date) -> list[Slot]:
        calendar = self._retention.calendar
        days = calendar.days_between(calendar.start_of(first), self._now() + FUTURE_SECONDS)
        return [slot for day in days for slot in calendar.slots_of(day)]
