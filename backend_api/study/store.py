"""Keeps what the provider said of calls, and corrections.

| collection | one document for | holds |
|---|---|---|
| study_calls | one session of a call | facts, users, stays by their ids; when something was heard of it |
| study_corrections | a corrected session | every correction, the newest last |

A call may be held again for ever, so what is read and written for a message is its session alone. A document of the
call's id alone holds what was kept of it before its sessions were told apart; it is read beside the others.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pymongo.errors import DuplicateKeyError

from backend_api.contract.wire import at
from backend_api.db import Document, Index, Mongo
from backend_api.service.errors import Unavailable
from backend_api.study.calls import Facts, Joined, Left, Seen, Stay, stays
from backend_api.study.rows import Manual, id_of_stay

CALLS, CORRECTIONS = "study_calls", "study_corrections"
INDEXES = (
    Index(CALLS, ("users", "lastAt")),
    Index(CALLS, ("call", "lastAt")),
    Index(CALLS, ("stays",)),
)
MAX_TRIES = 20
CALLS_AT_ONCE = 100


class KnownCall(NamedTuple):
    """One session of a call, and everything heard of it."""

    call_id: str
    facts: Facts


class StudyStore:
    """The two collections."""

    def __init__(self, mongo: Mongo) -> None:
        self._calls, self._corrections = mongo[CALLS], mongo[CORRECTIONS]

    async def add(self, call_id: str, session: str, facts: Facts, now: float) -> Facts:
        """Keeps facts, as often and in whatever order they come. All that is known of that session by now."""
        for _ in range(MAX_TRIES):
            before = await self._calls.find_one({"_id": f"{call_id}|{session}"})
            known = Facts() if before is None else _facts(before)
            whole = known.merge(facts)
            if (before is not None and whole == known) or await self._write(call_id, session, before, whole, now):
                return whole
        raise Unavailable("the call changes too fast")

    async def sessions_of(self, since: Mapping[str, float]) -> dict[str, list[Facts]]:
        """The sessions of these calls, by what was heard of each of them since its time."""
        found: dict[str, list[Facts]] = {call_id: [] for call_id in since}
        asked = list(since)
        for start in range(0, len(asked), CALLS_AT_ONCE):
            some = asked[start : start + CALLS_AT_ONCE]
            first_at = min(since[call_id] for call_id in some)
            async for document in self._calls.find({"call": {"$in": some}, "lastAt": {"$gte": at(first_at)}}):
                if document["lastAt"] >= at(since[document["call"]]):
                    found[document["call"]].append(_facts(document))
            async for undivided in self._calls.find({"_id": {"$in": some}}):
                found[undivided["_id"]].append(_facts(undivided))
        return found

    async def calls_of(self, user_id: str, start_at: float) -> list[KnownCall]:
        """The sessions in which the provider saw this user and of which something was heard since then."""
        found = self._calls.find({"users": user_id, "lastAt": {"$gte": at(start_at)}})
        return [_known(document) async for document in found]

    async def stay_of(self, stay_id: str) -> tuple[str, Stay] | None:
        """The stay of this id (see `rows.id_of_stay`) and the call it is in."""
        found = await self._calls.find_one({"stays": stay_id})
        if found is None:
            return None
        call_id, facts = _known(found)
        return next(((call_id, stay) for stay in stays(facts) if id_of_stay(call_id, stay) == stay_id), None)

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

    async def _write(self, call_id: str, session: str, before: Document | None, whole: Facts, now: float) -> bool:
        key = f"{call_id}|{session}"
        changed = {
            "call": call_id,
            **_packed(whole),
            "users": sorted(whole.users),
            "stays": [id_of_stay(call_id, stay) for stay in stays(whole)],
            "lastAt": at(now),
        }
        if before is None:
            try:
                await self._calls.insert_one({"_id": key, "rev": 1, **changed})
            except DuplicateKeyError:
                return False
            return True
        guarded = {"_id": key, "rev": before["rev"]}
        document = {"_id": key, "rev": before["rev"] + 1, **changed}
        return (await self._calls.replace_one(guarded, document)).matched_count > 0


def _known(document: Document) -> KnownCall:
    return KnownCall(str(document.get("call", document["_id"])), _facts(document))


def _packed(facts: Facts) -> Document:
    return {
        "joined": [list(fact) for fact in sorted(facts.joined)],
        "left": [list(fact) for fact in sorted(facts.left, key=repr)],
        "opened": sorted(facts.opened),
        "closed": sorted(facts.closed),
        "seen": [list(fact) for fact in sorted(facts.seen)],
    }


def _facts(document: Document) -> Facts:
    return Facts(
        frozenset(Joined(*fact) for fact in document["joined"]),
        frozenset(Left(*fact) for fact in document["left"]),
        frozenset(document["opened"]),
        frozenset(document["closed"]),
        frozenset(Seen(*fact) for fact in document.get("seen", ())),
    )
