"""Who likes what: the newest action of each person on each track. Any order and repetition gives the same state."""

from collections import defaultdict
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


class TrackLikes:
    """The collection of opinions."""

    def __init__(self, mongo: Mongo) -> None:
        self._collection = mongo[TRACK_LIKES]

    async def apply(self, opinions: Iterable[Opinion]) -> dict[str, int]:
        """Keeps what is newer than what is known; by how much each track's number of likers seems to change."""
        newest: dict[str, Opinion] = {}
        for opinion in sorted(opinions, key=lambda opinion: opinion.order):
            newest[opinion.key] = opinion
        changes: dict[str, int] = defaultdict(int)
        for keys in chunks(newest):
            known = {d["_id"]: d for d in await self._collection.find({"_id": {"$in": keys}}).to_list(None)}
            newer = [o for o in map(newest.__getitem__, keys) if o.key not in known or known[o.key]["k"] < o.order]
            for opinion in await self._keep(newer):
                changes[opinion.track_id] += opinion.liked - known.get(opinion.key, {"liked": False})["liked"]
        return changes

    async def likers(self, track: str) -> int:
        """How many people's newest action on the track is a like."""
        return await self._collection.count_documents({"trackId": track, "liked": True})

    async def _keep(self, opinions: Sequence[Opinion]) -> Sequence[Opinion]:
        """Those that were kept; of the others somebody kept the same or something newer in the meantime."""
        updates = [UpdateOne({"_id": o.key, "k": {"$lt": o.order}}, _state(o), upsert=True) for o in opinions]
        if not updates:
            return ()
        try:
            await self._collection.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            late = duplicates_in(error)
            return [opinion for index, opinion in enumerate(opinions) if index not in late]
        return opinions


def _state(opinion: Opinion) -> Document:
    return {"$set": {"trackId": opinion.track_id, "k": opinion.order, "liked": opinion.liked}}
