"""Keeps the provider's webhooks as they came: one document for each, and one for each id they were sent under.

| collection | one document for | holds |
|---|---|---|
| study_webhooks | a webhook, by its content's hash | its id, call, body; whether it was applied |
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

from pymongo.errors import DuplicateKeyError

from backend_api.contract.wire import at
from backend_api.db import Index, Mongo

WEBHOOKS = "study_webhooks"
INDEXES = (Index(WEBHOOKS, ("applied", "receivedAt")),)
KEPT_SECONDS = 30 * 86_400.0


class Webhook(NamedTuple):
    """A genuine webhook."""

    content_hash: str
    webhook_id: str
    call_cid: str
    body: bytes


class Inbox:
    """The webhooks. What they say of calls is `StudyStore`'s."""

    def __init__(self, mongo: Mongo) -> None:
        self._webhooks = mongo[WEBHOOKS]

    async def keep(self, webhook: Webhook, now: float) -> bool:
        """Durable when this returns; False for one whose id or content is known."""
        kept = {
            "_id": webhook.content_hash,
            "webhookId": webhook.webhook_id,
            "call": webhook.call_cid,
            "body": webhook.body,
            "receivedAt": at(now),
            "applied": False,
        }
        if webhook.webhook_id and not await self._is_new(webhook, now):
            return False
        try:
            await self._webhooks.insert_one(kept)
        except DuplicateKeyError:
            return False
        return True

    async def waiting(self) -> AsyncIterator[Webhook]:
        """Webhooks that are not applied yet, the oldest first."""
        async for doc in self._webhooks.find({"applied": False}).sort([("applied", 1), ("receivedAt", 1)]):
            yield Webhook(doc["_id"], doc["webhookId"], doc["call"], bytes(doc["body"]))

    async def mark_applied(self, content_hash: str) -> None:
        await self._webhooks.update_one({"_id": content_hash}, {"$set": {"applied": True}})

    async def forget(self, now: float) -> None:
        """Removes webhooks that were applied long ago."""
        await self._webhooks.delete_many({"applied": True, "receivedAt": {"$lt": at(now - KEPT_SECONDS)}})

    async def _is_new(self, webhook: Webhook, now: float) -> bool:
        """Notes the id, unless its content is known anyway; False where the id came with other content before."""
        if await self._webhooks.find_one({"_id": webhook.content_hash}, {"_id": 1}) is not None:
            return False
        key = f"id:{webhook.webhook_id}"
        mark = {"_id": key, "content": webhook.content_hash, "receivedAt": at(now), "applied": True}
        try:
            await self._webhooks.insert_one(mark)
        except DuplicateKeyError:
            found = await self._webhooks.find_one({"_id": key}, {"content": 1})
            return found is not None and found["content"] == webhook.content_hash
        return True
