"""The rounds of the job are numbered, so that one that was overtaken replaces nothing newer and closes nothing.

Jobs have a lease, yet whoever is slow or stopped in the middle may not know that it is over, and what it sent may
arrive later still. A round takes its number before it reads anything. Rollups carry the number of the round that wrote
them, and only the same or a newer one replaces them. Hours are closed only while no newer round has begun: one that
begins later finds all that was written before. So what is closed was written by the newest who read it.
"""

from typing import Any

from pymongo import ReturnDocument, UpdateOne

from backend_api.db import Document, Mongo, upsert
from backend_api.engagement.documents import FOUNDATIONS

_RUNS = {"_id": "runs"}


class Runs:
    """The numbers; they are kept beside what else the rollups stand on."""

    def __init__(self, mongo: Mongo) -> None:
        self._collection = mongo[FOUNDATIONS]

    async def begin(self) -> int:
        """The number of a new round: higher than any before."""
        more = {"$inc": {"number": 1}}
        while True:
            found = await self._collection.find_one_and_update(_RUNS, more, return_document=ReturnDocument.AFTER)
            if found is not None:
                return int(found["number"])
            await upsert(self._collection, [UpdateOne(_RUNS, {"$setOnInsert": {"number": 0}}, upsert=True)])

    async def is_newest(self, run: int) -> bool:
        """Whether no other round has begun since."""
        found = await self._collection.find_one(_RUNS)
        return found is not None and found["number"] == run


def not_newer(run: int) -> dict[str, Any]:
    """What must be so of a document that this round may replace."""
    return {"run": {"$not": {"$gt": run}}}


def empty(document_id: str, run: int) -> Document:
    """What is left of a document without events, so that none that is older comes back."""
    return {"_id": document_id, "run": run}
