"""Who likes what: the newest action of each person on each track. Any order and repetition gives the same state."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from backend_api.db import Document, Mongo, duplicates_in
from backend_api.engagement.documents import TRACK_LIKES
from backend_api.engagement.raw import chunks


class Opinion(NamedTuple):
    """A like or unlike that counts."""

    track_id: str
    person: str
    at: float
    event_id: str
    liked: bool

    @property
    def key(self) -> str:
        return f"{self.track_id}|{self.person}"

    @property
    def order(self) -> str:
        """Orders as text does: by time, then by id, so that two of one millisecond have an order, too."""
        return f"{round(self.at * 1_000):015d}|{self.event_id}"


def opinion_in(like: Document) -> Opinion:
    """The opinion that a raw event tells."""
    at, liked = like["timestamp"].timestamp(), like["action"] == "like"
    return Opinion(like["trackId"], like["person"], at, like["_id"], liked)


class TrackLikes:
    """The collection of opinions."""

    def __init__(self, mongo: Mongo) -> None:
        self._collection = mongo[TRACK_LIKES]

    async def apply(self, opinions: Iterable[Opinion]) -> dict[str, int]:
        """Keeps what is newer than what is known; by how much exactly each track's number of likers has changed."""
        newest: dict[str, Opinion] = {}
        for opinion in sorted(opinions, key=lambda opinion: opinion.order):
            newest[opinion.key] = opinion
        changes: dict[str, int] = dict.fromkeys((opinion.track_id for opinion in newest.values()), 0)
        for some in chunks(newest.values()):
            left: Sequence[Opinion] = some
            while left:
                left = await self._keep(left, changes)
        return changes

    async def likers(self, track: str) -> int:
        """How many people's newest action on the track is a like."""
        return await self._collection.count_documents({"trackId": track, "liked": True})

    async def of_track(self, track: str) -> dict[str, tuple[float, bool]]:
        """When each person's newest action on the track was, and whether it was a like."""
        cursor = self._collection.find({"trackId": track})
        return {d["_id"]: (int(d["k"].partition("|")[0]) / 1_000, d["liked"]) async for d in cursor}

    async def _keep(self, opinions: Sequence[Opinion], changes: dict[str, int]) -> Sequence[Opinion]:
        """Each replaces exactly what was known of it; those of which somebody else has kept another one meanwhile."""
        keys = [opinion.key for opinion in opinions]
        known = {d["_id"]: d for d in await self._collection.find({"_id": {"$in": keys}}).to_list(None)}
        newer = [o for o in opinions if o.key not in known or known[o.key]["k"] < o.order]
        seen = [known.get(opinion.key, {"k": None, "liked": False}) for opinion in newer]
        both = list(zip(newer, seen, strict=True))
        late = await self._write([UpdateOne({"_id": o.key, "k": was["k"]}, _state(o), upsert=True) for o, was in both])
        for index, (opinion, was) in enumerate(both):
            if index not in late:
                changes[opinion.track_id] += opinion.liked - was["liked"]
        return [opinion for index, opinion in enumerate(newer) if index in late]

    async def _write(self, updates: Sequence[UpdateOne]) -> set[int]:
        """The indexes of those that found something else than what was known: as an insert they met the key."""
        try:
            if updates:
                await self._collection.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            return duplicates_in(error)
        return set()


def _state(opinion: Opinion) -> Document:
    return {"$set": {"trackId": opinion.track_id, "k": opinion.order, "liked": opinion.liked}}
