"""Keeps arriving parts: the part itself, the mark that has its hour packed, and that its room has history.

A part is answered only when all three are on disk. Whatever is cut off between them is made good by the retry, for a
part that is a duplicate is marked and noted like a new one.
"""

from collections.abc import Callable, Iterable, Sequence
from secrets import token_hex
from typing import TypeVar

from backend_api.db import Mongo, insert_new, upsert
from backend_api.viewers.documents import MARKS, PARTS, ROOMS, Arrived, mark_document, part_document, room_update
from backend_api.viewers.keeping import is_open

K = TypeVar("K")
V = TypeVar("V")

REMARK_SECONDS = 600
"""An open hour is marked again after this time: a clock that ran ahead for a while may have had it packed early."""
_MAX_REMEMBERED = 200_000


class PartStore:
    """Where parts go. What it remembers only saves writes: a process that forgets repeats them."""

    def __init__(self, mongo: Mongo, now: Callable[[], float]) -> None:
        self._parts, self._marks, self._rooms = mongo[PARTS], mongo[MARKS], mongo[ROOMS]
        self._now = now
        self._marked_at: dict[tuple[str, int], float] = {}
        self._earliest: dict[str, int] = {}

    async def save(self, parts: Sequence[Arrived]) -> list[bool]:
        """Stores the parts; for each whether it was new. Raises PyMongoError, and then all may be sent again."""
        if not parts:
            return []
        duplicates = await insert_new(self._parts, [part_document(part) for part in parts])
        await self._mark({(part.room, part.hour_at) for part in parts})
        await self._note_rooms(parts)
        return [index not in duplicates for index in range(len(parts))]

    async def _mark(self, hours: Iterable[tuple[str, int]]) -> None:
        """An open hour is marked once in a while; a closed one each time, for its mark may be on its way out.

        The clock is read after the parts are in: what is taken for open here is packed only when they are.
        """
        now, marked_by = self._now(), token_hex(4)
        missing = [hour for hour in hours if not (is_open(hour[1], now) and self._is_marked(hour, now))]
        if missing:
            await insert_new(self._marks, [mark_document(*hour, marked_by) for hour in missing])
            _remember(self._marked_at, dict.fromkeys(missing, now))

    def _is_marked(self, hour: tuple[str, int], now: float) -> bool:
        return 0 <= now - self._marked_at.get(hour, float("-inf")) < REMARK_SECONDS

    async def _note_rooms(self, parts: Sequence[Arrived]) -> None:
        earliest: dict[str, int] = {}
        for part in parts:
            earliest[part.room] = min(part.minute_at, earliest.get(part.room, part.minute_at))
        news = {room: at for room, at in earliest.items() if at < self._earliest.get(room, at + 1)}
        if news:
            await upsert(self._rooms, [room_update(room, at, at) for room, at in news.items()])
            _remember(self._earliest, news)


def _remember(known: dict[K, V], news: dict[K, V]) -> None:
    if len(known) > _MAX_REMEMBERED:
        known.clear()
    known.update(news)
