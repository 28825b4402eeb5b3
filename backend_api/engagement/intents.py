"""What batches that are being stored, or were cut off, may change: written first and removed last."""

from collections.abc import Collection as Several
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from backend_api.contract.wire import at as time_of
from backend_api.db import Document, Mongo
from backend_api.engagement.documents import INTENTS
from backend_api.engagement.periods import Slot


class PlayEnded(NamedTuple):
    """Which play an end belongs to, and when it ended (Unix seconds)."""

    track_id: str
    play_id: str
    at: float


class Intent(NamedTuple):
    """A batch: the hours of tracks its events are in, and the plays its ends complete."""

    batch: str
    at: float
    slots: frozenset[tuple[str, Slot]]
    ends: frozenset[PlayEnded]


class Intents:
    """The collection; small, for nothing stays in it. What was taken up does for a while, and is looked up apart."""

    def __init__(self, mongo: Mongo) -> None:
        self._collection = mongo[INTENTS]

    async def write(self, intent: Intent) -> None:
        slots = [[track, slot.day.isoformat(), slot.hour] for track, slot in intent.slots]
        document = {"_id": intent.batch, "at": time_of(intent.at), "slots": slots, "ends": [[*e] for e in intent.ends]}
        await self._collection.insert_one(document)

    async def remove(self, batch: str) -> None:
        await self._collection.delete_one({"_id": batch})

    async def keep(self, batch: str, now: float) -> None:
        """It was taken up at `now`, and is once more later on."""
        await self._collection.update_one({"_id": batch}, {"$set": {"takenAt": time_of(now)}})

    async def before(self, at: float, limit: int) -> list[Intent]:
        """Those written before a time and not taken up."""
        return await self._found({"at": {"$lt": time_of(at)}, "takenAt": None}, limit)

    async def taken_before(self, at: float, limit: int) -> list[Intent]:
        """Those taken up before a time."""
        return await self._found({"takenAt": {"$lt": time_of(at)}}, limit)

    async def all(self) -> list[Intent]:
        """Those of batches that are being stored, or were cut off and not taken up."""
        return await self._found({"takenAt": None}, 0)

    async def oldest_at(self, tracks: Several[str] | None) -> float | None:
        """When the oldest one was written that concerns one of these tracks (None: any)."""
        times = [i.at for i in await self.all() if tracks is None or any(track in tracks for track in tracks_of([i]))]
        return min(times, default=None)

    async def _found(self, query: Document, limit: int) -> list[Intent]:
        return [_intent(document) for document in await self._collection.find(query).limit(limit).to_list(None)]


def tracks_of(intents: Iterable[Intent]) -> set[str]:
    """Whose hours may change."""
    return {track for intent in intents for track, _ in intent.slots} | {
        end.track_id for intent in intents for end in intent.ends
    }


def _intent(document: Document) -> Intent:
    slots = frozenset((track, Slot(date.fromisoformat(day), hour)) for track, day, hour in document["slots"])
    ends = frozenset(PlayEnded(*end) for end in document["ends"])
    return Intent(document["_id"], document["at"].timestamp(), slots, ends)
