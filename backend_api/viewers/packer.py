"""The job that turns the parts of a closed hour into its packed minutes and its place in the day.

It may run anywhere and twice at once: an hour is always rebuilt from all its parts, and who finds that somebody else
has taken its marks away meanwhile marks the hour anew.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from secrets import token_hex

import structlog

from backend_api.contract.wire import at as time_of
from backend_api.db import Mongo, upsert
from backend_api.viewers.documents import (
    DAYS,
    HOURS,
    MARKS,
    PARTS,
    ROOMS,
    at_of,
    day_update,
    hour_document,
    hour_key,
    mark_document,
    room_update,
)
from backend_api.viewers.keeping import Keeping, packable_before
from backend_api.viewers.reader import merged_hour

PERIOD_SECONDS = 20.0
MARKS_PER_RUN = 5_000
_MAX_KEYS = 100

log = structlog.get_logger(__name__)


class Packer:
    """Packs marked hours. `run` is one round; reads are right before, during and after it."""

    def __init__(self, mongo: Mongo, keeping: Keeping, now: Callable[[], float]) -> None:
        self._parts, self._marks = mongo[PARTS], mongo[MARKS]
        self._hours, self._days, self._rooms = mongo[HOURS], mongo[DAYS], mongo[ROOMS]
        self._keeping = keeping
        self._now = now

    async def run(self) -> None:
        """Packs every hour that is marked and closed for long enough."""
        closed = {"t": {"$lt": time_of(packable_before(self._now()))}}
        marks = await self._marks.find(closed).sort([("t", 1), ("r", 1)]).limit(MARKS_PER_RUN).to_list(None)
        for (hour_at, room), found in groupby(marks, key=lambda mark: (at_of(mark), mark["r"])):
            await self._pack_marked(room, hour_at, [mark["_id"] for mark in found][:_MAX_KEYS])

    async def _pack_marked(self, room: str, hour_at: int, marks: Sequence[str]) -> None:
        if self._keeping.has_parts(hour_at, self._now()) or not await self._is_packed(room, hour_at):
            await self._pack(room, hour_at)
        else:
            log.warning("hour_not_repacked", room=room, hour=time_of(hour_at).isoformat(), reason="its parts are gone")
        taken = await self._marks.delete_many({"_id": {"$in": list(marks)}})
        if taken.deleted_count < len(marks):
            await self._marks.insert_one(mark_document(room, hour_at, token_hex(4)))

    async def _is_packed(self, room: str, hour_at: int) -> bool:
        return await self._hours.find_one({"_id": hour_key(room, hour_at)}, {"_id": 1}) is not None

    async def _pack(self, room: str, hour_at: int) -> None:
        minutes = await merged_hour(self._parts, room, hour_at)
        if not minutes:
            return
        document = hour_document(room, hour_at, minutes)
        await self._hours.replace_one({"_id": document["_id"]}, document, upsert=True)
        await upsert(self._days, [day_update(room, hour_at, minutes)])
        await upsert(self._rooms, [room_update(room, minutes[0].at, minutes[-1].at)])
