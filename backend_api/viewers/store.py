"""Keeps arriving parts: the part itself, the mark that has its hour packed, and that its room has history.

A part is answered only when all three are on disk. Whatever is cut off between them is made good by the retry, for a
part that is a duplicate is marked and noted like a new one.
"""

from collections.abc import Callable, Iterable, Sequence
from secrets import token_hex

from pymongo.errors import BulkWriteError

from backend_api.db import DUPLICATE_KEY, Collection, Document, Mongo
from backend_api.viewers.documents import MARKS, PARTS, ROOMS, Arrived, mark_document, part_document, room_update
from backend_api.viewers.keeping import is_open

_MAX_REMEMBERED = 200_000


class PartStore:
    """Where parts go. What it remembers only saves writes: a process that forgets repeats them."""

    def __init__(self, mongo: Mongo, now: Callable[[], float]) -> None:
        self._parts, self._marks, self._rooms = mongo[PARTS], mongo[MARKS], mongo[ROOMS]
        self._now = now
        self._life = token_hex(4)
        self._marked: set[tuple[str, int]] = set()
        self._earliest: dict[str, int] = {}

    async def save(self, parts: Sequence[Arrived]) -> list[bool]:
        """Stores the parts; for each whether it was new. Raises PyMongoError, and then all may be sent again."""
        if not parts:
            return []
        duplicates = await _insert_new(self._parts, [part_document(part) for part in parts])
        await self._mark({(part.room, part.hour_at) for part in parts})
        await self._note_rooms(parts)
        return [index not in duplicates for index in range(len(parts))]

    async def _mark(self, hours: Iterable[tuple[str, int]]) -> None:
        """An open hour is marked once; a closed one each time, for its mark may just be on its way out.

        The clock is read after the parts are in: what is taken for open here is packed only when they are.
        """
        now, once = self._now(), token_hex(4)
        missing = [hour for hour in hours if not (hour in self._marked and is_open(hour[1], now))]
        if not missing:
            return
        marked_by = [self._life if is_open(hour_at, now) else once for _, hour_at in missing]
        marks = [mark_document(*hour, by) for hour, by in zip(missing, marked_by, strict=True)]
        await _insert_new(self._marks, marks)
        if len(self._marked) > _MAX_REMEMBERED:
            self._marked.clear()
        self._marked.update(missing)

    async def _note_rooms(self, parts: Sequence[Arrived]) -> None:
        earliest: dict[str, int] = {}
        for part in parts:
            earliest[part.room] = min(part.minute_at, earliest.get(part.room, part.minute_at))
        news = {room: at for room, at in earliest.items() if at < self._earliest.get(room, at + 1)}
        if not news:
            return
        await self._rooms.bulk_write([room_update(room, at, at) for room, at in news.items()], ordered=False)
        if len(self._earliest) > _MAX_REMEMBERED:
            self._earliest.clear()
        self._earliest.update(news)


async def _insert_new(collection: Collection, documents: Sequence[Document]) -> set[int]:
    """Inserts what is not there yet; the indexes of what was."""
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failed = error.details["writeErrors"]
        if error.details.get("writeConcernErrors") or any(item["code"] != DUPLICATE_KEY for item in failed):
            raise
        return {item["index"] for item in failed}
    return set()
