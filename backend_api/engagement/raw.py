"""The raw events: inserted once by their id, read in stretches of time, removed when they are too old."""

import asyncio
from collections import defaultdict
from collections.abc import Collection as Several
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from backend_api.contract.wire import at as time_of
from backend_api.db import Document, Mongo, insert_new
from backend_api.engagement.documents import PLAYS, RAW
from backend_api.engagement.events import Uncounted
from backend_api.engagement.rollups import END_EARLY, Ends, Raw

T = TypeVar("T")

KEYS_PER_QUERY = 100
"""The embedded database is quadratic in the keys of an `$in`."""
READ_AT_ONCE = 2_000
"""Documents per answer of a cursor: decoding more would hold up the loop."""
FEW_PLAYS = 2_000
"""The ends of so few plays are looked up at once."""
NEAR_END_SECONDS = 900
"""Most plays have ended by then; the ends of the others are looked up one by one."""


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
        self._plays = mongo[PLAYS]

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

    async def starts_of(self, plays: Several[tuple[str, str]]) -> dict[tuple[str, str], list[float]]:
        """When plays began, by track and play id; several beginnings of one id are all of them."""
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for some in chunks({play_id for _, play_id in plays}):
            for document in await self._by_play_id(some, "play"):
                if (key := (document["trackId"], document["playId"])) in plays:
                    found[key].append(document["timestamp"].timestamp())
        return found

    async def between(self, tracks: Several[str] | None, start_at: float, end_at: float, limit: int) -> list[Raw]:
        """Everything but ends, of some tracks or (None) of all; at most `limit` of each collection."""
        found = await asyncio.gather(
            *(
                self._read(name, chosen | {"timestamp": _range(start_at, end_at)}, limit)
                for name in self._collections
                for chosen in _chosen(name, tracks)
            )
        )
        return [event for events in found for event in events]

    async def ends_of(self, events: Iterable[Raw], start_at: float, end_at: float) -> list[Raw]:
        """The ends that may belong to the plays among these events of the given stretch."""
        plays = [event for event in events if event["type"] == "play" and "playId" in event]
        if len(plays) <= FEW_PLAYS:
            return await self._ends_by_id({play["playId"] for play in plays})
        near = _range(start_at - END_EARLY.total_seconds(), end_at + NEAR_END_SECONDS)
        ends: list[Raw] = []
        for track in {play["trackId"] for play in plays}:
            ends += await self._read(PLAYS, {"trackId": track, "type": "playEnd", "timestamp": near}, 0)
        found = Ends(ends)
        return ends + await self._ends_by_id({play["playId"] for play in plays if found.of(play) is None})

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

    async def _ends_by_id(self, play_ids: set[str]) -> list[Raw]:
        return [end for some in chunks(play_ids) for end in await self._by_play_id(some, "playEnd")]

    async def _read(self, name: str, query: Document, limit: int) -> list[Document]:
        """All of each event: the embedded database takes longer to leave fields out than to send them."""
        cursor = self._collections[name].find(query).batch_size(READ_AT_ONCE)
        return await (cursor.limit(limit) if limit else cursor).to_list(None)

    async def _by_play_id(self, play_ids: Iterable[str], kind: str) -> list[Document]:
        query = {"playId": {"$in": list(play_ids)}, "type": kind}
        return await self._plays.find(query).to_list(None)


def chunks(keys: Iterable[T]) -> Iterator[list[T]]:
    """The keys in portions that one query may ask for."""
    iterator = iter(keys)
    while some := list(islice(iterator, KEYS_PER_QUERY)):
        yield some


def _stored(document: Document) -> Stored:
    at, uncounted = document["timestamp"].timestamp(), document.get("uncounted")
    return Stored(bytes(document["digest"]), at, document["person"], uncounted)


def _chosen(name: str, tracks: Several[str] | None) -> list[Document]:
    kind: Document = {"type": "play"} if name == PLAYS else {}
    return [kind] if tracks is None else [{"trackId": track, **kind} for track in tracks]


def _range(start_at: float, end_at: float) -> Document:
    return {"$gte": time_of(start_at), "$lt": time_of(end_at)}
