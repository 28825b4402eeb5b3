"""The raw events: inserted once by their id, read in stretches of time, removed when they are too old."""

import asyncio
from collections.abc import Collection as Several
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from bson.codec_options import CodecOptions

from backend_api.contract.wire import at as time_of
from backend_api.db import Document, Mongo, insert_new
from backend_api.engagement.documents import EVENT_IDS, PLAYS, RAW, play_key
from backend_api.engagement.events import Uncounted
from backend_api.engagement.intents import PlayEnded
from backend_api.engagement.periods import DAY_SECONDS, SLICE_SECONDS
from backend_api.engagement.rollups import END_EARLY_SECONDS, END_LATE_SECONDS, Raw, happened_at

T = TypeVar("T")

KEYS_PER_QUERY = 100
"""The embedded database is quadratic in the keys of an `$in`."""
READ_AT_ONCE = 1_000
"""Documents per answer of a cursor: decoding more would hold up the loop."""
IDS_AT_ONCE = 1_000
MANY_OF_ONE_ID = 2_000
"""Plays are told apart by their ids: whoever sends so many of one does something else."""
FEWEST_PER_QUERY, MOST_PER_QUERY = 50, 400
"""Of keys of which many are there, few: what is found is held against each of them. Of others, more with each query."""
_NAIVE: CodecOptions[Document] = CodecOptions(tz_aware=False)
"""What is counted has times without their zone, which is UTC: making it known takes as long as all other decoding."""


class Stored(NamedTuple):
    """What is known of an event that had been there before."""

    digest: bytes
    at: float
    person: str
    uncounted: Uncounted | None


class RawEvents:
    """The five collections of events."""

    def __init__(self, mongo: Mongo) -> None:
        self._collections = {name: mongo[name] for name in RAW}
        self._counted = {name: mongo[name].with_options(codec_options=_NAIVE) for name in RAW}
        self._plays, self._ids = mongo[PLAYS], mongo[EVENT_IDS]

    async def insert(self, name: str, documents: Sequence[Document]) -> set[int]:
        """Inserts what is not there yet; the indexes of what was. After a PyMongoError all may be tried again."""
        return await insert_new(self._collections[name], documents)

    async def stored(self, name: str, ids: Iterable[str]) -> dict[str, Stored]:
        """What is there under these ids."""
        found: dict[str, Stored] = {}
        for some in chunks(dict.fromkeys(ids)):
            query, fields = {"_id": {"$in": some}}, dict.fromkeys(("digest", "timestamp", "person", "uncounted"), 1)
            for document in await self._collections[name].find(query, fields).to_list(None):
                found[document["_id"]] = _stored(document)
        return found

    async def taken(self, wanted: Mapping[int, tuple[str, str]], now: float) -> set[int]:
        """Takes ids (by index: the id and its collection); the indexes of those that an event of another type has."""
        indexes = list(wanted)
        documents = [{"_id": wanted[i][0], "in": wanted[i][1], "at": time_of(now)} for i in indexes]
        there = {indexes[place] for place in await insert_new(self._ids, documents)}
        kept: dict[str, str] = {}
        for some in chunks({wanted[index][0] for index in there}):
            kept |= {d["_id"]: d["in"] for d in await self._ids.find({"_id": {"$in": some}}).to_list(None)}
        return {index for index in there if kept.get(wanted[index][0], wanted[index][1]) != wanted[index][1]}

    async def starts_of(self, ended: Iterable[PlayEnded]) -> list[tuple[str, float]]:
        """Track and beginning of the plays that may have ended so; several beginnings of one id are all of them.

        Where an id has very many, it is every slice of the time they may be in.
        """
        found: list[tuple[str, float]] = []
        for some in chunks(ended, KEYS_PER_QUERY // 3):
            keys = {key for end in some for key in _keys(end.track_id, end.play_id, *_plays_of(end))}
            documents = (
                await self._plays.find({"type": "play", "play": {"$in": [*keys]}}).limit(MANY_OF_ONE_ID).to_list(None)
            )
            found += [(d["trackId"], d["timestamp"].timestamp()) for d in documents]
            if len(documents) == MANY_OF_ONE_ID:
                found += [(end.track_id, at) for end in some for at in _slices(*_plays_of(end))]
        return found

    async def between(self, tracks: Several[str], start_at: float, end_at: float, limit: int = 0) -> list[Raw]:
        """Everything but ends of some tracks; at most `limit` (0: any number) of each track and collection."""
        queries = [
            (
                name,
                {
                    "trackId": track,
                    **({"type": "play"} if name == PLAYS else {}),
                    "timestamp": _range(start_at, end_at),
                },
            )
            for name in self._collections
            for track in tracks
        ]
        found = await asyncio.gather(*(self._read(name, query, limit) for name, query in queries))
        return [event for events in found for event in events]

    async def all_between(self, start_at: float, end_at: float, limit: int) -> list[Raw] | None:
        """Everything but ends of all tracks; None where any collection has `limit` or more."""
        query = {"timestamp": _range(start_at, end_at)}
        found = await asyncio.gather(*(self._read(name, query, limit) for name in self._collections))
        if any(len(events) >= limit for events in found):
            return None
        return [event for events in found for event in events if event["type"] != "playEnd"]

    async def ends_between(self, track: str, start_at: float, end_at: float) -> list[Raw]:
        """The ends of a track's plays that came in this time."""
        query = {"trackId": track, "type": "playEnd", "timestamp": _range(start_at, end_at)}
        return [*await self._read(PLAYS, query, 0)]

    async def ends_by_id(self, plays: Iterable[Raw]) -> list[Raw]:
        """All that may have ended one of these plays, as far as they have ids to be known by."""
        keys: set[str] = set()
        for play in plays:
            if "playId" in play:
                at = happened_at(play)
                keys |= _keys(play["trackId"], play["playId"], at - END_EARLY_SECONDS, at + END_LATE_SECONDS)
        ends: list[Raw] = []
        left, size = iter(keys), FEWEST_PER_QUERY
        while some := [*islice(left, size)]:
            found = await self._counted[PLAYS].find({"type": "playEnd", "play": {"$in": some}}).to_list(None)
            ends += found
            size = min(2 * size, MOST_PER_QUERY) if len(found) < size / 8 else FEWEST_PER_QUERY
        return ends

    async def likes_of(self, track: str, start_at: float, end_at: float) -> list[Document]:
        """The likes of a track that count."""
        query = {"trackId": track, "timestamp": _range(start_at, end_at)}
        return await self._collections["like_events"].find(query | {"uncounted": None}).to_list(None)

    async def remove_before(self, name: str, at: float) -> int:
        """Removes the events of one collection before a time; how many there were."""
        return (await self._collections[name].delete_many({"timestamp": {"$lt": time_of(at)}})).deleted_count

    async def oldest_at(self, name: str) -> float | None:
        """When the oldest event of a collection happened."""
        first = await self._collections[name].find({}, {"timestamp": 1}).sort("timestamp", 1).limit(1).to_list(1)
        return first[0]["timestamp"].timestamp() if first else None

    async def remove_ids_before(self, at: float) -> int:
        """Removes some of the oldest ids, if they were taken before a time; how many."""
        first = await self._ids.find({}).limit(IDS_AT_ONCE).to_list(None)
        old = [document["_id"] for document in first if document["at"].timestamp() < at]
        for some in chunks(old):
            await self._ids.delete_many({"_id": {"$in": some}})
        return len(old)

    async def _read(self, name: str, query: Document, limit: int) -> list[Document]:
        """All of each event: the embedded database takes longer to leave fields out than to send them."""
        cursor = self._counted[name].find(query).batch_size(READ_AT_ONCE)
        return await (cursor.limit(limit) if limit else cursor).to_list(None)


def _plays_of(end: PlayEnded) -> tuple[float, float]:
    """Within which time the plays have begun that may have ended so."""
    return end.at - END_LATE_SECONDS, end.at + END_EARLY_SECONDS + 1


def _slices(start_at: float, end_at: float) -> Iterable[float]:
    return range(int(start_at), int(end_at) + SLICE_SECONDS, SLICE_SECONDS)


def _keys(track: str, play_id: str, start_at: float, end_at: float) -> set[str]:
    """Of everything that belongs to a play and happened in this time."""
    days = range(int(start_at // DAY_SECONDS), int(end_at // DAY_SECONDS) + 1)
    return {play_key(track, play_id, day) for day in days}


def chunks(keys: Iterable[T], size: int = KEYS_PER_QUERY) -> Iterator[list[T]]:
    """The keys in portions that one query may ask for."""
    iterator = iter(keys)
    while some := list(islice(iterator, size)):
        yield some


def _stored(document: Document) -> Stored:
    at, uncounted = document["timestamp"].timestamp(), document.get("uncounted")
    return Stored(bytes(document["digest"]), at, document["person"], uncounted)


def _range(start_at: float, end_at: float) -> Document:
    return {"$gte": time_of(start_at), "$lt": time_of(end_at)}
