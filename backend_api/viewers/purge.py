"""Removes what is over its time on the embedded database, a little at a time; on MongoDB TTL indexes do it.

One room after the other, because only the index on room and time makes removing cheap there. Between two removals it
rests several times as long as the last one took, so that others hardly notice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from backend_api.contract.wire import at as time_of
from backend_api.db import Collection, Mongo
from backend_api.viewers.documents import DAYS, HOURS, PARTS, ROOMS
from backend_api.viewers.history import HOUR_SECONDS
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.ranges import DAY_SECONDS

PERIOD_SECONDS = 600.0
REST_FACTOR = 9.0
"""Rest per time worked: the purge keeps the database busy for at most a tenth of the time."""
ROOMS_PER_PAGE = 100

Sleep = Callable[[float], Awaitable[None]]


class Purge:
    """The paced purge. `run` is one round over all rooms."""

    def __init__(
        self, mongo: Mongo, keeping: Keeping, now: Callable[[], float], *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._rooms = mongo[ROOMS]
        # Documents, how long after the start of what they are about they go, and how much of them goes at once.
        self._kept = (
            (mongo[PARTS], keeping.parts_seconds, HOUR_SECONDS),
            (mongo[HOURS], keeping.minutes_seconds + HOUR_SECONDS, 10 * DAY_SECONDS),
            (mongo[DAYS], keeping.summaries_seconds + DAY_SECONDS, 100 * DAY_SECONDS),
        )
        self._rooms_seconds = keeping.summaries_seconds + DAY_SECONDS
        self._now = now
        self._sleep = sleep

    async def run(self) -> None:
        """Removes everything that is over its time now."""
        after = ""
        while rooms := await self._page(after):
            for room in rooms:
                for collection, kept_seconds, slice_seconds in self._kept:
                    await self._purge(collection, room, self._now() - kept_seconds, slice_seconds)
            after = rooms[-1]
        await self._rooms.delete_many({"l": {"$lt": time_of(self._now() - self._rooms_seconds)}})

    async def _page(self, after: str) -> list[str]:
        page = self._rooms.find({"r": {"$gt": after}}, {"r": 1}).sort("r", 1).limit(ROOMS_PER_PAGE)
        return [document["r"] for document in await page.to_list(None)]

    async def _purge(self, collection: Collection, room: str, before_at: float, slice_seconds: int) -> None:
        """Oldest first, a slice of time at once."""
        before = time_of(before_at)
        while True:
            started = time.perf_counter()
            oldest = await collection.find({"r": room, "t": {"$lt": before}}, {"t": 1}).sort("t", 1).limit(1).to_list(1)
            if oldest:
                until = min(oldest[0]["t"] + timedelta(seconds=slice_seconds), before)
                await collection.delete_many({"r": room, "t": {"$lt": until}})
            await self._sleep((time.perf_counter() - started) * REST_FACTOR)
            if not oldest or until >= before:
                return
