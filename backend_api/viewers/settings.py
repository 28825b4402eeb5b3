"""The switch of each room: whether its history is kept. In memory, brought up to date by what changed since."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from backend_api.contract.rooms import kind_of
from backend_api.db import Document, Mongo
from backend_api.viewers.documents import SETTINGS

REFRESH_SECONDS = 2.0
"""How long another process's change may go unseen here."""
EVERY_KIND = "*"
REMEMBERED_SIGNATURES = 100
"""Changes of one room whose replay is seen to be one; signatures are good for ten minutes at most."""

_OVERLAP = timedelta(minutes=1)
"""Changes are dated before they become visible: those of the last minute are read again."""


class RoomSwitches:
    """Which rooms are recorded: as they were switched, else by their kind. Dates are the database's own."""

    def __init__(self, mongo: Mongo, recorded_kinds: Collection[str], now: Callable[[], float]) -> None:
        self._collection = mongo[SETTINGS]
        self._recorded_kinds = frozenset(recorded_kinds)
        self._now = now
        self._switched: dict[str, bool] = {}
        self._switched_meanwhile: dict[str, bool] = {}
        self._newest: datetime | None = None
        self._read_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def is_recorded(self, room: str) -> bool:
        """Raises PyMongoError when nothing recent is known."""
        return room in await self.recorded({room})

    async def recorded(self, rooms: Collection[str]) -> set[str]:
        """Those of the rooms whose history is kept. Raises PyMongoError when nothing recent is known."""
        # The clock may have been set back; what was read then is not recent.
        if not 0 <= self._now() - self._read_at < REFRESH_SECONDS:
            await self._refreshed()
        return {room for room in rooms if self._switched.get(room, self._by_kind(room))}

    async def switch(self, room: str, recorded: bool, signature: str | None = None) -> None:
        """Seen here at once, elsewhere within REFRESH_SECONDS. Of those with the same `signature` only one counts."""
        which: Document = {"_id": room}
        change: Document = {"$set": {"a": recorded}, "$currentDate": {"u": True}}
        if signature is not None:
            which["s"] = {"$ne": signature}
            change["$push"] = {"s": {"$each": [signature], "$slice": -REMEMBERED_SIGNATURES}}
        if await self._changed(which, change):
            self._switched[room] = self._switched_meanwhile[room] = recorded

    async def _changed(self, which: Document, change: Document) -> bool:
        try:
            await self._collection.update_one(which, change, upsert=True)
        except DuplicateKeyError:  # There is one: made at this very moment, or with this signature.
            return (await self._collection.update_one(which, change)).matched_count > 0
        return True

    async def _refreshed(self) -> None:
        """All who wait share one read, and its failure: while the database is away nobody queues up behind others."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        await asyncio.shield(self._refreshing)

    async def _refresh(self) -> None:
        started_at, self._switched_meanwhile = self._now(), {}
        since = {} if self._newest is None else {"u": {"$gte": self._newest - _OVERLAP}}
        changed = await self._collection.find(since, {"a": 1, "u": 1}).to_list(None)
        self._switched.update({document["_id"]: document["a"] for document in changed})
        # What was switched while this was read is newer than what was read.
        self._switched.update(self._switched_meanwhile)
        self._newest = max([document["u"] for document in changed], default=self._newest)
        self._read_at = started_at

    def _by_kind(self, room: str) -> bool:
        return not self._recorded_kinds.isdisjoint((EVERY_KIND, kind_of(room)))
