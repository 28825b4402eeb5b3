"""What is over and therefore no longer taken over HTTP, put into the database as the backend itself would have left it.

That is hours of rooms older than the days for which minutes are taken (packed, with their place in the day), and
lessons, whose times are the server's own while they happen. It adds what is missing and changes nothing that is there.
Only `scripts/seed_demo` does this.
"""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from pymongo.errors import DuplicateKeyError, PyMongoError

from backend_api.contract.snapshots import RoomPart
from backend_api.db import Mongo, upsert
from backend_api.service.errors import ConfigError
from backend_api.tutoring.lesson import Lesson
from backend_api.tutoring.months import MONTHS, STATEMENTS
from backend_api.tutoring.store import LessonStore
from backend_api.viewers.documents import DAYS, HOURS, ROOMS, day_update, hour_document, hour_key, room_update
from backend_api.viewers.history import MINUTE_SECONDS, Stretch, merge_minute, node_part
from scripts.stack.backend import BackendError


class Backfill:
    """An async context manager; every failure of the database is a BackendError."""

    def __init__(self, mongo_url: str, database: str) -> None:
        try:
            self._mongo = Mongo(mongo_url, database=database)
        except ConfigError as error:
            raise BackendError(str(error)) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._mongo.close()
        if isinstance(error, PyMongoError):
            raise BackendError(f"the database does not answer: {type(error).__name__}") from None

    async def add_lesson(self, lesson: Lesson) -> bool:
        """Whether it was missing."""
        store = LessonStore(self._mongo, time.time)
        if await store.exists(lesson.id):
            return False
        try:
            await store.add(lesson)
        except DuplicateKeyError:
            return False
        return True

    async def add_hours(self, room: str, hours: Mapping[int, Sequence[RoomPart]]) -> int:
        """Full hours by when they begin, minute by minute; how many were missing."""
        keys = {hour_key(room, hour_at): hour_at for hour_at in hours}
        there = await self._mongo[HOURS].find({"_id": {"$in": list(keys)}}, {"_id": 1}).to_list(None)
        for known in there:
            del keys[known["_id"]]
        joined = {hour_at: _joined(hour_at, hours[hour_at]) for hour_at in keys.values()}
        if joined:
            await upsert(self._mongo[DAYS], [day_update(room, hour_at, found) for hour_at, found in joined.items()])
            first, last = min(joined), max(joined)
            await upsert(self._mongo[ROOMS], [room_update(room, joined[first][0].at, joined[last][-1].at)])
            documents = [hour_document(room, hour_at, found) for hour_at, found in joined.items()]
            await self._mongo[HOURS].insert_many(documents)
        return len(joined)

    async def reopen_empty_months(self) -> None:
        """Those that were closed with nothing in them: the backend closes them again, with what they have now."""
        async for month in self._mongo[MONTHS].find({}, {"_id": 1}):
            if await self._mongo[STATEMENTS].find_one({"month": month["_id"]}, {"_id": 1}) is None:
                await self._mongo[MONTHS].delete_one({"_id": month["_id"]})


def _joined(hour_at: int, minutes: Sequence[RoomPart]) -> list[Stretch]:
    return [merge_minute(hour_at + number * MINUTE_SECONDS, [node_part(part)]) for number, part in enumerate(minutes)]
