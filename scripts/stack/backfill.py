"""What is over and therefore no longer taken over HTTP, put into the database as the backend itself would have left it.

That is hours of rooms older than the days for which minutes are taken (packed, with their place in the day), and
lessons, whose times are the server's own while they happen. It adds what is missing and changes nothing that is there.
Only `scripts/seed_demo` does this.
"""

from collections.abc import Mapping
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
from backend_api.viewers.history import merge_minute, node_part
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
        try:
            await LessonStore(self._mongo).add(lesson)
        except DuplicateKeyError:
            return False
        return True

    async def add_hour(self, room: str, hour_at: int, minutes: Mapping[int, RoomPart]) -> bool:
        """Whether it was missing. `minutes` by when they begin, in order."""
        if await self._mongo[HOURS].find_one({"_id": hour_key(room, hour_at)}, {"_id": 1}) is not None:
            return False
        joined = [merge_minute(at, [node_part(part)]) for at, part in minutes.items()]
        await upsert(self._mongo[DAYS], [day_update(room, hour_at, joined)])
        await upsert(self._mongo[ROOMS], [room_update(room, joined[0].at, joined[-1].at)])
        await self._mongo[HOURS].insert_one(hour_document(room, hour_at, joined))
        return True

    async def reopen_empty_months(self) -> None:
        """Those that were closed with nothing in them: the backend closes them again, with what they have now."""
        async for month in self._mongo[MONTHS].find({}, {"_id": 1}):
            if await self._mongo[STATEMENTS].find_one({"month": month["_id"]}, {"_id": 1}) is None:
                await self._mongo[MONTHS].delete_one({"_id": month["_id"]})
