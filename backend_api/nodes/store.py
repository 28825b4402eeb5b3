"""Where leases are kept: one small document for each boot of each node."""

from collections.abc import Callable

from pymongo import ReturnDocument

from backend_api.contract.sessions import LEASE_SILENCE_SECONDS, LeaseReport
from backend_api.db import Mongo
from backend_api.nodes.leases import Lease, Leases

COLLECTION = "nodes"
FORGET_SECONDS = 7 * 86_400
DELAY_SECONDS = 15.0
"""A lease may be under way for so long."""


class NodeStore:
    """The leases, as of now. Made when the program starts: silence is counted from then at the earliest."""

    def __init__(self, mongo: Mongo, now: Callable[[], float]) -> None:
        self._nodes = mongo[COLLECTION]
        self._now = now
        self._up_since = now()

    async def renew(self, report: LeaseReport) -> bool:
        """Keep a lease; True where the boot was not known, or taken for dead, and must report its open intervals."""
        now = self._now()
        skew = report.at.timestamp() - now
        change = {
            # Within one boot a node's clock makes no steps.
            "$setOnInsert": {"skew_seconds": skew if abs(skew) > DELAY_SECONDS else 0.0},
            "$max": {"at": report.at.timestamp(), "complete_through": report.complete_through.timestamp()},
            "$set": {"node": report.node, "boot": report.boot, "received_at": now},
        }
        before = await self._nodes.find_one_and_update(
            {"_id": f"{report.node}|{report.boot}"}, change, upsert=True, return_document=ReturnDocument.BEFORE
        )
        return before is None or now - before["received_at"] > LEASE_SILENCE_SECONDS

    async def leases(self) -> Leases:
        kept = [Lease(**known) async for known in self._nodes.find({}, {"_id": 0})]
        return Leases(kept, up_since=self._up_since)

    async def forget(self) -> None:
        """Remove the leases of boots that have long been dead, unless their clock was wrong: reports are read by it."""
        long_ago = {"received_at": {"$lt": self._now() - FORGET_SECONDS}}
        await self._nodes.delete_many(long_ago | {"skew_seconds": {"$in": [0.0, None]}})
