"""The days of lessons that are over, each packed into one document: figures of a year need not read every lesson.

| collection | one document for | holds |
|---|---|---|
| tutoring_days | a UTC day, by its number | its lessons in `columns`; or a mark that it is to be packed |

A change of a lesson of such a day marks the day before it is written; a marked day is read from the lessons until it
is packed again, later than any write may take. A pack gives way to a mark that came meanwhile. So is a day that was
packed in an older form.
"""

from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import NamedTuple

from pymongo.errors import DuplicateKeyError

from backend_api.db import Document, Mongo
from backend_api.tutoring.columns import FORM, Held, columns

COLLECTION = "tutoring_days"

DAY_SECONDS = 86_400
SETTLED_SECONDS = 3 * DAY_SECONDS
"""A day is packed so long after its end: most lessons do not change any more by then."""
MARKED_SECONDS = 60.0
"""Longer than a write may take."""
PER_ROUND = 30
KEPT_DAYS = 400
"""No range that may be asked for is longer."""

Read = Callable[[float, float], Awaitable[list[Held]]]


class Plan(NamedTuple):
    """Where a range is read: these days, and the lessons of these stretches."""

    packed: list[Document]
    rest: list[tuple[float, float]]


class LessonDays:
    """The packed days."""

    def __init__(self, mongo: Mongo, now: Callable[[], float]) -> None:
        self._days, self._now = mongo[COLLECTION], now

    async def mark(self, *moments: float) -> None:
        """Something of these days is about to change."""
        for day in {int(at // DAY_SECONDS) for at in moments}:
            if day < self._settled():
                mark = {"_id": day, "by": token_hex(8), "markedAt": self._now()}
                await self._days.replace_one({"_id": day}, mark, upsert=True)

    async def plan(self, start_at: float, end_at: float) -> Plan:
        """How to read a range: whole days from what is packed, everything else from the lessons."""
        first, last = -int(-start_at // DAY_SECONDS), min(int(end_at // DAY_SECONDS), self._settled())
        found = self._days.find({"_id": {"$gte": first, "$lt": last}})
        days = {document["_id"]: document async for document in found if document.get("form") == FORM}
        edges = (edge * DAY_SECONDS for day in sorted(days) for edge in (day, day + 1))
        cuts = [start_at, *edges, end_at]
        rest = [(begin, end) for begin, end in zip(cuts[::2], cuts[1::2], strict=True) if begin < end]
        return Plan(list(days.values()), rest)

    async def pack(self, read: Read) -> None:
        """Packs some of the days that are over and not packed, or marked; the others in the next round."""
        settled = self._settled()
        first = settled - KEPT_DAYS
        found = self._days.find({"_id": {"$gte": first, "$lt": settled}}, {"by": 1, "markedAt": 1, "form": 1})
        known = {document["_id"]: document async for document in found}
        due = [day for day in range(settled - 1, first - 1, -1) if self._is_due(known.get(day))]
        for day in due[:PER_ROUND]:
            packed = {"_id": day, **columns(await read(day * DAY_SECONDS, (day + 1) * DAY_SECONDS))}
            if day in known:
                by = known[day]["by"]
                await self._days.replace_one({"_id": day, "by": by}, packed | {"by": by})
            else:
                await self._insert(packed | {"by": ""})

    async def _insert(self, packed: Document) -> None:
        try:
            await self._days.insert_one(packed)
        except DuplicateKeyError:  # It was marked meanwhile.
            return

    def _is_due(self, known: Document | None) -> bool:
        if known is None:
            return True
        if "markedAt" in known:
            return bool(self._now() - known["markedAt"] > MARKED_SECONDS)
        return known.get("form") != FORM

    def _settled(self) -> int:
        """The first day that is not to be packed yet."""
        return int((self._now() - SETTLED_SECONDS) // DAY_SECONDS)
