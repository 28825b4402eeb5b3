"""Removes sessions that are over their time on the embedded database, a little at a time; on MongoDB a TTL index does.

What is summed up stays: the days of channels, lessons and statements are kept elsewhere.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from backend_api.contract.wire import at
from backend_api.db import Mongo
from backend_api.sessions.documents import HISTORY

PERIOD_SECONDS = 3_600.0
REST_FACTOR = 9.0
"""Rest per time worked: the purge keeps the database busy for at most a tenth of the time."""
SLICE = timedelta(hours=1)


class Purge:
    """The paced purge. `run` is one round."""

    def __init__(
        self,
        mongo: Mongo,
        kept_seconds: float,
        now: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._history, self._kept_seconds, self._now, self._sleep = mongo[HISTORY], kept_seconds, now, sleep

    async def run(self) -> None:
        """Removes everything that ended longer ago than it is kept, oldest first, an hour's worth at once."""
        before = at(self._now() - self._kept_seconds)
        while True:
            started = time.perf_counter()
            found = self._history.find({"ended": {"$lt": before}}, {"ended": 1}).sort("ended", 1).limit(1)
            oldest = await found.to_list(1)
            if not oldest:
                return
            until = min(oldest[0]["ended"] + SLICE, before)
            await self._history.delete_many({"ended": {"$lt": until}})
            await self._sleep((time.perf_counter() - started) * REST_FACTOR)
