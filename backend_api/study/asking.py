"""What the provider is still to tell of a call, and when it is asked for it. One small document for each call.

| collection | one document for | holds |
|---|---|---|
| study_asking | a call, by its short id | sessions of ours it should know of, its own without an end; when to ask |

Either is waited for during two days, and no longer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from pymongo.errors import DuplicateKeyError

from backend_api.contract.wire import at
from backend_api.db import Document, Index, Mongo
from backend_api.service.errors import Unavailable
from backend_api.study.calls import Expected, Stay, untold

ASKING = "study_asking"
INDEXES = (Index(ASKING, ("open", "askAt")),)
ASK_AFTER_SECONDS = 300.0
ASK_SELDOMER = 8
"""Of what the provider says nothing about, it is asked after this part of the time it has been asked for already."""
GIVEN_UP_AFTER_SECONDS = 2 * 86_400.0
MAX_TRIES = 20


@dataclass(frozen=True, slots=True)
class Questions:
    """`expected` by the id of our session; `unfinished`: sessions of the call without an end, and since when.

    `since`: when the youngest of them came up.
    """

    expected: Mapping[str, Expected] = field(default_factory=dict)
    unfinished: Mapping[str, float] = field(default_factory=dict)
    since: float = 0.0

    def expecting(self, session: Expected, told: Iterable[Stay], now: float) -> "Questions":
        """With a session of ours, unless the provider has told of it."""
        since = self.since if self.expected.get(session.session_id) == session else now
        return replace(self, expected={**self.expected, session.session_id: session}, since=since).told(told)

    def told(self, stays: Iterable[Stay]) -> "Questions":
        return replace(self, expected={one.session_id: one for one in untold(self.expected.values(), stays)})

    def heard(self, session: str, now: float, *, is_open: bool) -> "Questions":
        """What was heard of a session of the call leaves it open, or does not."""
        others = {name: since for name, since in self.unfinished.items() if name != session}
        if not is_open:
            return replace(self, unfinished=others)
        since = self.since if session in self.unfinished else now
        return replace(self, unfinished={**others, session: self.unfinished.get(session, now)}, since=since)

    def fresh(self, now: float) -> "Questions":
        """Without those that are given up."""
        expected = {name: one for name, one in self.expected.items() if now - one.end < GIVEN_UP_AFTER_SECONDS}
        unfinished = {name: at for name, at in self.unfinished.items() if now - at < GIVEN_UP_AFTER_SECONDS}
        return replace(self, expected=expected, unfinished=unfinished)

    def __bool__(self) -> bool:
        return bool(self.expected or self.unfinished)


class Asking:
    """The questions of every call."""

    def __init__(self, mongo: Mongo) -> None:
        self._asking = mongo[ASKING]
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def expect(self, call_id: str, session: Expected, told: Iterable[Stay], now: float) -> None:
        """We measured this session in the call: the provider is to be asked until it tells of it."""
        known = list(told)
        await self._change(call_id, lambda questions: questions.expecting(session, known, now), now)

    async def heard(self, call_id: str, session: str, told: Iterable[Stay], now: float, *, is_open: bool) -> None:
        """What is known of a session of the call by now."""
        known = list(told)
        await self._change(call_id, lambda q: q.told(known).heard(session, now, is_open=is_open), now)

    async def answered(self, call_id: str, now: float) -> None:
        """The provider told what it knows: it is asked again after a while, where something is missing."""
        await self._change(call_id, lambda questions: questions, now, ask_at=_after_an_answer)

    async def put_off(self, call_id: str, now: float) -> None:
        """The provider gave no answer that can be used: others have their turn before it is asked again."""
        await self._change(call_id, lambda questions: questions, now, ask_at=_seldomer)

    async def due(self, now: float, limit: int) -> AsyncIterator[str]:
        """Calls of which the provider is to tell more, the longest due first."""
        wanted = {"open": True, "askAt": {"$lte": at(now)}}
        async for document in self._asking.find(wanted).sort([("open", 1), ("askAt", 1)]).limit(limit):
            yield str(document["_id"])

    async def unfinished(self, call_id: str) -> list[str]:
        """The sessions of the call whose end was never heard of, the oldest first."""
        open_since = _questions(await self._asking.find_one({"_id": call_id})).unfinished
        return sorted(open_since, key=lambda session: open_since[session])

    async def _change(
        self,
        call_id: str,
        change: Callable[[Questions], Questions],
        now: float,
        *,
        ask_at: Callable[[Questions, float], float] | None = None,
    ) -> None:
        # A class leaves at once: here one after the other, the tries are for what another program writes.
        async with self._turns.setdefault(call_id, asyncio.Lock()):
            for _ in range(MAX_TRIES):
                if await self._try_change(call_id, change, now, ask_at):
                    return
        raise Unavailable("the call changes too fast")

    async def _try_change(
        self,
        call_id: str,
        change: Callable[[Questions], Questions],
        now: float,
        ask_at: Callable[[Questions, float], float] | None,
    ) -> bool:
        """One try; False where somebody else was faster."""
        before = await self._asking.find_one({"_id": call_id})
        known = _questions(before)
        changed = change(known).fresh(now)
        if before is None and not changed:
            return True
        if changed == known and ask_at is None:
            return True
        due_at = at(ask_at(changed, now)) if ask_at else before["askAt"] if before and known else at(now)
        return await self._write(call_id, before, {**_packed(changed), "askAt": due_at})

    async def _write(self, call_id: str, before: Document | None, changed: Document) -> bool:
        if before is None:
            try:
                await self._asking.insert_one({"_id": call_id, "rev": 1, **changed})
            except DuplicateKeyError:
                return False
            return True
        guarded = {"_id": call_id, "rev": before["rev"]}
        document = {"_id": call_id, "rev": before["rev"] + 1, **changed}
        return (await self._asking.replace_one(guarded, document)).matched_count > 0


def _after_an_answer(questions: Questions, now: float) -> float:
    return now + ASK_AFTER_SECONDS if questions.unfinished else _seldomer(questions, now)


def _seldomer(questions: Questions, now: float) -> float:
    return now + max(ASK_AFTER_SECONDS, (now - questions.since) / ASK_SELDOMER)


def _packed(questions: Questions) -> Document:
    return {
        "open": bool(questions),
        "expected": [list(one) for one in questions.expected.values()],
        "unfinished": [list(one) for one in questions.unfinished.items()],
        "since": questions.since,
    }


def _questions(document: Document | None) -> Questions:
    if document is None:
        return Questions()
    expected = [Expected(*one) for one in document["expected"]]
    return Questions({one.session_id: one for one in expected}, dict(document["unfinished"]), document["since"])
