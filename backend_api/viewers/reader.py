"""Reads a room's history: marked hours from their parts, all others from what is packed. Writes nothing.

What a read costs depends on what is asked for, not on how much is kept: documents of the span alone are touched.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from collections.abc import Collection as AnyOf
from itertools import groupby

from backend_api.db import Collection, Document, Mongo
from backend_api.viewers.documents import (
    DAYS,
    HOURS,
    MARKS,
    PARTS,
    ROOMS,
    at_of,
    day_key,
    day_projection,
    first_minute_of,
    hour_key,
    minutes_of,
    part_of,
    summaries_of,
    within,
)
from backend_api.viewers.history import HOUR_SECONDS, MINUTE_SECONDS, QUARTER_SECONDS, Stretch, merge_minute
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.ranges import DAY_SECONDS, Span, floor_to


class HistoryReader:
    """The history of rooms."""

    def __init__(self, mongo: Mongo, keeping: Keeping, now: Callable[[], float]) -> None:
        self._parts, self._marks = mongo[PARTS], mongo[MARKS]
        self._hours, self._days, self._rooms = mongo[HOURS], mongo[DAYS], mongo[ROOMS]
        self._keeping = keeping
        self._now = now

    async def first_at(self, room: str) -> int | None:
        """The start of the first minute that is known of the room; None for one without history."""
        found = await self._rooms.find_one({"_id": room}, {"f": 1})
        if found is None:
            return None
        kept_since_at = floor_to(self._now() - self._keeping.summaries_seconds, MINUTE_SECONDS)
        return max(first_minute_of(found), kept_since_at)

    async def read(self, room: str, span: Span, grain_seconds: int) -> list[Stretch]:
        """Stretches inside the span in order of time, of a minute, quarter or hour; edges of the span are minutes.

        Where minutes are no longer kept the edges are quarters. Marks are read first: an hour that loses its mark
        afterwards still has its parts, and one without a mark is packed.
        """
        marked = await self._marked_hours(room, span)
        found = [stretch for hour_at in marked for stretch in await merged_hour(self._parts, room, hour_at)]
        if grain_seconds == MINUTE_SECONDS:
            found += await self._packed_minutes(room, span, marked)
        else:
            found += await self._summaries(room, span.whole_hours(), grain_seconds, marked)
            for hour_at in span.edge_hours():
                if hour_at not in marked:
                    found += await self._edge(room, hour_at)
        return sorted(stretch for stretch in found if span.holds(stretch.at))

    async def _marked_hours(self, room: str, span: Span) -> set[int]:
        marks = await self._marks.find(within(room, span.widened(HOUR_SECONDS)), {"t": 1}).to_list(None)
        now = self._now()
        return {hour_at for hour_at in map(at_of, marks) if self._keeping.has_parts(hour_at, now)}

    async def _packed_minutes(self, room: str, span: Span, but: AnyOf[int]) -> list[Stretch]:
        hours = await self._hours.find(within(room, span.widened(HOUR_SECONDS))).to_list(None)
        found: list[Stretch] = []
        async for document in _gently(hours):
            if at_of(document) not in but:
                found += minutes_of(document)
        return found

    async def _summaries(self, room: str, span: Span, grain_seconds: int, but: AnyOf[int]) -> list[Stretch]:
        projection = day_projection(grain_seconds)
        days = await self._days.find(within(room, span.widened(DAY_SECONDS)), projection).to_list(None)
        found: list[Stretch] = []
        async for document in _gently(days):
            for hour_at, stretches in summaries_of(document, grain_seconds).items():
                if span.holds(hour_at) and hour_at not in but:
                    found += stretches
        return found

    async def _edge(self, room: str, hour_at: int) -> list[Stretch]:
        if self._keeping.has_minutes(hour_at, self._now()):
            hour = await self._hours.find_one({"_id": hour_key(room, hour_at)})
            return minutes_of(hour) if hour else []
        day = await self._days.find_one({"_id": day_key(room, hour_at)}, day_projection(QUARTER_SECONDS))
        return summaries_of(day, QUARTER_SECONDS).get(hour_at, []) if day else []


async def _gently(documents: Iterable[Document]) -> AsyncIterator[Document]:
    """Gives way to others every few documents: unpacking years of days takes a fifth of a second."""
    for number, document in enumerate(documents):
        if number % 16 == 15:
            await asyncio.sleep(0)
        yield document


async def merged_hour(parts: Collection, room: str, hour_at: int) -> list[Stretch]:
    """The minutes of an hour from its parts, in order; gives way to others after each minute."""
    hour = Span(hour_at, hour_at + HOUR_SECONDS)
    documents: list[Document] = await parts.find(within(room, hour)).sort([("r", 1), ("t", 1)]).to_list(None)
    minutes = []
    for minute_at, of_minute in groupby(documents, key=at_of):
        minutes.append(merge_minute(minute_at, map(part_of, of_minute)))
        await asyncio.sleep(0)
    return minutes
