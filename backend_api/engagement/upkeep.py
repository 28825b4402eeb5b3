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
from backend_api.engagement.likes import TrackLikes
from backend_api.engagement.periods import HOUR_SECONDS, Slot, next_day
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.retention import Retention
from backend_api.engagement.rolling import Roller
from backend_api.engagement.rollups import Sums
from backend_api.engagement.tracks import Tracks
from backend_api.service.errors import Conflict, NotFound

UPKEEP_SECONDS = 3_600.0
REST_FACTOR = 9.0
"""Rest per time worked while purging: it keeps the database busy for at most a tenth of the time."""


class Upkeep:
    """Sealing, purging, auditing, rebuilding."""

    def __init__(
        self, mongo: Mongo, roller: Roller, retention: Retention, now: Callable[[], float], *, purges: bool
    ) -> None:
        self._tracks, self._raw, self._likes = Tracks(mongo), RawEvents(mongo), TrackLikes(mongo)
        self._catalogue = Catalogue(mongo)
        self._roller = roller
        self._retention = retention
        self._now = now
        self._purges = purges

    async def audit(self, track: str) -> Audit:
        """The counters beside a recount of all raw events there are; what is older is taken as it was sealed."""
        found = await self._tracks.counters(track)
        older = await self._tracks.totals_before(track, self._retention.first_open_day(self._now()))
        if found is None:
            raise NotFound("There is no such track.")
        counters, pending = found
        sums = dict(zip(COUNTED, older, strict=True))
        for parts in (await self._roller.recount(track, self._recountable_slots())).values():
            for name, number in zip(COUNTED, day_totals(Sums.total(part.sums for part in parts)), strict=True):
                sums[name] += number
        recount = Counters(
            play_count=sums["plays"],
            like_count=await self._likes.likers(track),
            share_count=sums["shares"],
            download_count=sums["downloads"],
        )
        return Audit(counters=counters, recount=recount, equal=counters == recount, pending=pending)

    async def rebuild(self, first: date, last: date) -> int:
        """Has every track's days from `first` to `last` recounted; how many days of tracks that is.

        Conflict where raw events of that time have been removed.
        """
        if first < (oldest := self._retention.first_open_day(self._now())):
            raise Conflict(f"Raw events are kept for {self._retention.raw_days} days: from {oldest} on.")
        days = [first]
        while days[-1] < last:
            days.append(next_day(days[-1]))
        tracks = await self._catalogue.all_tracks()
        await self._tracks.reopen(tracks, days, self._now())
        return len(tracks) * len(days)

    async def regroup(self, tracks: Iterable[str]) -> None:
        """After tracks have changed hands: what both artists have of them is made anew, as far back as is possible."""
        first = self._retention.first_open_day(self._now())
        for track in tracks:
            days = [day for day in await self._tracks.days_of(track) if day >= first]
            await self._tracks.reopen([track], days, self._now())

    async def run(self) -> None:
        """The hourly round: what can no longer change is summed up, what is too old is removed."""
        now = self._now()
        await self._tracks.settle(self._retention.calendar.day_of(now), self._retention.first_open_day(now))
        if self._purges:
            for name in RAW:
                await self.purge(name)

    async def purge(self, name: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Removes old events of one collection, an hour of them at once."""
        before_at = self._retention.removed_before(self._now())
        while (oldest_at := await self._raw.oldest_at(name)) is not None and oldest_at < before_at:
            started = time.perf_counter()
            await self._raw.remove_before(name, min(before_at, oldest_at + HOUR_SECONDS))
            await sleep((time.perf_counter() - started) * REST_FACTOR)

    def _recountable_slots(self) -> list[Slot]:
        calendar, now = self._retention.calendar, self._now()
        start_at = calendar.start_of(self._retention.first_open_day(now))
        return [s for day in calendar.days_between(start_at, now + FUTURE_SECONDS) for s in calendar.slots_of(day)]
