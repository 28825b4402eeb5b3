"""Keeps what the provider said: webhooks as they came, the facts of each call; and corrections.

| collection | one document for | holds |
|---|---|---|
| study_webhooks | a webhook, by its content's hash | its id, call, body; whether it was applied |
| study_calls | a call, by its short id | facts, users, stays by their ids; what the provider is still to tell, when |
| study_corrections | a corrected session | every correction, the newest last |
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

from pymongo.errors import DuplicateKeyError

from backend_api.contract.wire import at
from backend_api.db import Document, Index, Mongo
from backend_api.service.errors import Unavailable
from backend_api.study.calls import Expected, Facts, Joined, Left, Stay, is_open, stays, untold
from backend_api.study.rows import Manual, id_of_stay

WEBHOOKS, CALLS, CORRECTIONS = "study_webhooks", "study_calls", "study_corrections"
INDEXES = (
    Index(WEBHOOKS, ("applied", "receivedAt")),
    Index(CALLS, ("users", "lastAt")),
    Index(CALLS, ("open", "askAt")),
    Index(CALLS, ("stays",)),
)
ASK_AFTER_SECONDS = 300.0
ASK_SELDOMER = 8
"""Of what the provider says nothing about, it is asked after this part of the time it has been asked for already."""
GIVEN_UP_AFTER_SECONDS = 2 * 86_400.0
KEPT_SECONDS = 30 * 86_400.0
MAX_TRIES = 20


class Webhook(NamedTuple):
    """A genuine webhook."""

    content_hash: str
    webhook_id: str
    call_cid: str
    body: bytes


class KnownCall(NamedTuple):
    """A call and everything heard of it."""

    call_id: str
    facts: Facts


class StudyStore:
    """The three collections."""

    def __init__(self, mongo: Mongo) -> None:
        self._webhooks, self._calls, self._corrections = mongo[WEBHOOKS], mongo[CALLS], mongo[CORRECTIONS]

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

    async def waiting(self, limit: int) -> list[Webhook]:
        """Webhooks that are not applied yet, the oldest first."""
        found = self._webhooks.find({"applied": False}).sort([("applied", 1), ("receivedAt", 1)]).limit(limit)
        return [Webhook(doc["_id"], doc["webhookId"], doc["call"], bytes(doc["body"])) async for doc in found]

    async def mark_applied(self, content_hash: str) -> None:
        await self._webhooks.update_one({"_id": content_hash}, {"$set": {"applied": True}})

    async def forget(self, now: float) -> None:
        """Removes webhooks that were applied long ago."""
        await self._webhooks.delete_many({"applied": True, "receivedAt": {"$lt": at(now - KEPT_SECONDS)}})

    async def add(self, call_id: str, facts: Facts, now: float, *, asked: bool = False) -> None:
        """Keeps facts, as often and in whatever order they come. `asked`: they are the provider's answer."""
        await self._change(call_id, facts, None, now, asked=asked)

    async def expect(self, call_id: str, session: Expected, now: float) -> None:
        """We measured this session in the call: the provider is to be asked until it tells of it."""
        await self._change(call_id, Facts(), session, now, asked=False)

    async def _change(self, call_id: str, facts: Facts, session: Expected | None, now: float, *, asked: bool) -> None:
        for _ in range(MAX_TRIES):
            before = await self._calls.find_one({"_id": call_id})
            known = Facts() if before is None else _facts(before)
            whole, waiting = known.merge(facts), _expected(before)
            if session is not None:
                waiting[session.session_id] = session
            fresh = [one for one in waiting.values() if now - one.end < GIVEN_UP_AFTER_SECONDS]
            found = stays(whole)
            left = untold(fresh, found)
            unchanged = before is not None and whole == known and left == list(_expected(before).values())
            if (unchanged and not asked) or await self._write(call_id, before, whole, found, left, now, asked=asked):
                return
        raise Unavailable("the call changes too fast")

    async def call(self, call_id: str) -> Facts:
        found = await self._calls.find_one({"_id": call_id})
        return Facts() if found is None else _facts(found)

    async def calls_of(self, user_id: str, start_at: float) -> list[KnownCall]:
        """The calls in which the provider saw this user and of which something was heard since then."""
        found = self._calls.find({"users": user_id, "lastAt": {"$gte": at(start_at)}})
        return [KnownCall(str(document["_id"]), _facts(document)) async for document in found]

    async def stay_of(self, stay_id: str) -> KnownCall | None:
        """The call that holds the stay of this id (see `rows.id_of_stay`)."""
        found = await self._calls.find_one({"stays": stay_id})
        return None if found is None else KnownCall(str(found["_id"]), _facts(found))

    async def to_ask(self, now: float, limit: int) -> AsyncIterator[str]:
        """Calls of which the provider is to tell more, the longest due first."""
        wanted = {"open": True, "askAt": {"$lte": at(now)}}
        async for document in self._calls.find(wanted).sort([("open", 1), ("askAt", 1)]).limit(limit):
            yield str(document["_id"])

    async def put_off(self, call_id: str, now: float) -> None:
        """The provider gave no answer that can be used: others have their turn before it is asked again."""
        found = await self._calls.find_one({"_id": call_id}, {"since": 1})
        if found is not None:
            later = at(_next_ask(found["since"].timestamp(), now))
            await self._calls.update_one({"_id": call_id}, {"$set": {"askAt": later}})

    async def give_up(self, call_id: str) -> None:
        """The provider will not tell: it is not asked any more, until something new is heard."""
        await self._calls.update_one({"_id": call_id}, {"$set": {"open": False}})

    async def since(self, call_id: str) -> float:
        found = await self._calls.find_one({"_id": call_id}, {"since": 1})
        return 0.0 if found is None else float(found["since"].timestamp())

    async def correct(self, session_id: str, manual: Manual) -> None:
        await self._corrections.update_one(
            {"_id": session_id}, {"$push": {"corrections": manual._asdict()}}, upsert=True
        )

    async def corrections(self, session_ids: list[str]) -> dict[str, Manual]:
        """The newest correction of each of these sessions that has one."""
        found: dict[str, Manual] = {}
        for start in range(0, len(session_ids), 100):
            chunk = session_ids[start : start + 100]
            async for document in self._corrections.find({"_id": {"$in": chunk}}):
                found[document["_id"]] = Manual(**document["corrections"][-1])
        return found

    async def _write(
        self,
        call_id: str,
        before: Document | None,
        whole: Facts,
        found: list[Stay],
        waiting: list[Expected],
        now: float,
        *,
        asked: bool,
    ) -> bool:
        was_open = before is not None and before["open"]
        since = before["since"].timestamp() if before is not None and was_open else now
        goes_on = is_open(whole, found)
        asks = now + ASK_AFTER_SECONDS if goes_on else _next_ask(since, now)
        changed = {
            **_packed(whole),
            "users": sorted(whole.users),
            "stays": [id_of_stay(call_id, stay) for stay in found],
            "expected": [list(one) for one in waiting],
            "open": goes_on or bool(waiting),
            "lastAt": at(now),
            "askAt": at(asks) if asked else before["askAt"] if before and was_open else at(now),
            "since": at(since),
            "rev": 1 if before is None else before["rev"] + 1,
        }
        if before is None:
            try:
                await self._calls.insert_one({"_id": call_id, **changed})
            except DuplicateKeyError:
                return False
            return True
        guarded = {"_id": call_id, "rev": before["rev"]}
        return (await self._calls.replace_one(guarded, {"_id": call_id, **changed})).matched_count > 0


def _next_ask(since: float, now: float) -> float:
    return now + max(ASK_AFTER_SECONDS, (now - since) / ASK_SELDOMER)


def _expected(document: Document | None) -> dict[str, Expected]:
    kept = [] if document is None else [Expected(*one) for one in document["expected"]]
    return {one.session_id: one for one in kept}


def _packed(facts: Facts) -> Document:
    return {
        "joined": [list(fact) for fact in sorted(facts.joined)],
        "left": [list(fact) for fact in sorted(facts.left, key=repr)],
        "opened": sorted(facts.opened),
        "closed": sorted(facts.closed),
    }


def _facts(document: Document) -> Facts:
    return Facts(
        frozenset(Joined(*fact) for fact in document["joined"]),
        frozenset(Left(*fact) for fact in document["left"]),
        frozenset(document["opened"]),
        frozenset(document["closed"]),
    )
