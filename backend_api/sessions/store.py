"""Where sessions are kept: active ones in one collection, ended ones in another. Decides nothing, `lifecycle` does.

Every write is guarded by the revision that was read. Ending inserts into the history first and deletes from the live
collection last, so that a crash leaves both, which the next report or sweep puts right. `on_ended` is told between the
two, and again for a repetition: what it does must be idempotent.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from pymongo.errors import DuplicateKeyError

from backend_api.contract.sessions import TIMINGS, SessionKind
from backend_api.db import Document, Mongo
from backend_api.nodes.leases import Leases
from backend_api.service.errors import Unavailable
from backend_api.sessions.documents import (
    HISTORY,
    LIVE,
    Record,
    document,
    history_document,
    session_of,
    verdict_of,
)
from backend_api.sessions.lifecycle import Session, continued, judge, merged, settled
from backend_api.sessions.windows import backwards

Hook = Callable[[Record], Awaitable[None]]
Known = Callable[[], Awaitable[Leases]]

_TRIES = 20
_AT_ONCE = 8


class SessionStore:
    """The sessions of every kind. `on_ended` by kind is told of every session that is over, or corrected."""

    def __init__(
        self, mongo: Mongo, leases: Known, now: Callable[[], float], on_ended: Mapping[SessionKind, Hook] | None = None
    ) -> None:
        self._live = mongo[LIVE]
        self._history = mongo[HISTORY]
        self._leases = leases
        self._now = now
        self._on_ended = dict(on_ended or {})

    async def find(self, session_id: str) -> Record | None:
        """A session as it is now, whether or not a sweep has noticed."""
        kept = await self._live.find_one({"_id": session_id}) or await self._history.find_one({"_id": session_id})
        if kept is None:
            return None
        session = session_of(kept)
        return Record(session, judge(session, await self._leases(), self._now()))

    async def merge(self, reported: Iterable[Session]) -> list[Record]:
        """Add what is reported, in any order and number; durable when this returns. One record per session.

        What went on after a session was stopped is kept as the session that continues it.
        """
        by_id: dict[str, Session] = {}
        for session in reported:
            by_id[session.id] = merged(by_id.get(session.id), session)
        leases, gate = await self._leases(), asyncio.Semaphore(_AT_ONCE)

        async def one(session: Session) -> Record:
            async with gate:
                record = await self._merge(session, leases)
                rest = continued(record.session)
                while rest is not None:
                    rest = continued((await self._merge(rest, leases)).session)
                return record

        return list(await asyncio.gather(*map(one, by_id.values())))

    async def active(self, kind: SessionKind, **facts: str) -> list[Record]:
        """The active sessions of a kind with these facts, judged now."""
        leases, now = await self._leases(), self._now()
        sessions = [session_of(kept) async for kept in self._live.find(facts) if kept["k"] == kind]
        return [Record(session, judge(session, leases, now)) for session in sessions]

    async def live_by_kind(self) -> dict[SessionKind, int]:
        """How many sessions of each kind no sweep has ended yet."""
        found = Counter([kept["k"] async for kept in self._live.find({}, {"k": 1})])
        return {kind: found[kind] for kind in TIMINGS}

    async def each_active(self, kind: SessionKind) -> AsyncIterator[Session]:
        """Every active session of a kind, for the sweep."""
        async for kept in self._live.find({"k": kind}, batch_size=500):
            yield session_of(kept)

    async def ended(
        self, kind: SessionKind, fact: str, value: str, start_at: float, end_at: float, *, without: Sequence[str] = ()
    ) -> list[Document]:
        """The history documents (less the fields `without`) that started in `start_at..end_at`, by an indexed fact."""
        # A third condition would cost the embedded database its index.
        wanted = {fact: value, "start": {"$gte": start_at, "$lt": end_at}}
        fields = dict.fromkeys(without, 0) if without else None
        found = self._history.find(wanted, fields).sort([(fact, 1), ("start", 1)])
        return [kept async for kept in found if kept["k"] == kind]

    async def latest(
        self,
        kind: SessionKind,
        fact: str,
        value: str,
        start_at: float,
        end_at: float,
        limit: int,
        *,
        status: str | None = None,
        before: tuple[float, str] | None = None,
        without: Sequence[str] = (),
    ) -> list[Document]:
        """As `ended`, latest first, about `limit` of them, those that sort before (start, id) `before`."""
        fields = dict.fromkeys(without, 0) if without else None
        found: list[Document] = []
        for low, high in backwards(start_at, end_at):
            # Whatever began in the moment at which the page before ended may belong to this one.
            is_last = before is not None and high == end_at
            wanted = {fact: value, "start": {"$gte": low, "$lte" if is_last else "$lt": high}}
            async for kept in self._history.find(wanted, fields).sort([(fact, -1), ("start", -1)]):
                # Those that began in the same moment are in no order: all of them or none.
                if len(found) >= limit and kept["start"] != found[-1]["start"]:
                    return found
                is_wanted = kept["k"] == kind and status in (None, kept["status"])
                if is_wanted and (before is None or (kept["start"], kept["_id"]) < before):
                    found.append(kept)
            if len(found) >= limit:
                break
        return found

    async def _merge(self, reported: Session, leases: Leases) -> Record:
        for _ in range(_TRIES):
            done = await self._try_merge(reported, leases)
            if done is not None:
                return done
        raise Unavailable("this session changes too fast", retry_after_seconds=1)

    async def _try_merge(self, reported: Session, leases: Leases) -> Record | None:
        """One try; None where somebody else was faster."""
        live = await self._live.find_one({"_id": reported.id})
        if live is None:
            return await self._merge_without_live(reported, leases)
        known = session_of(live)
        record = self._judged(merged(known, reported), leases)
        if record.verdict.status != "active":
            return record if await self._end(record, live["v"]) else None
        if record.session == known:
            return record
        changed = document(record.session, live["v"] + 1)
        return record if (await self._live.replace_one(_at_revision(live), changed)).matched_count else None

    async def _merge_without_live(self, reported: Session, leases: Leases) -> Record | None:
        old = await self._history.find_one({"_id": reported.id})
        known = None if old is None else session_of(old)
        record = self._judged(merged(known, reported), leases)
        try:
            if record.verdict.status == "active":
                await self._live.insert_one(document(record.session, 0))
                if old is not None:
                    await self._history.delete_one(_at_revision(old))
            elif not await self._keep(record, old):
                return None
            else:
                await self._tell(record)
        except DuplicateKeyError:
            return None
        return record

    async def _end(self, record: Record, live_revision: int) -> bool:
        """Into the history, then out of the live collection; False where it has to be tried again."""
        try:
            await self._history.insert_one(history_document(record, 0))
        except DuplicateKeyError:
            await self._fold_back(record.session, live_revision)
            return False
        await self._tell(record)
        gone = await self._live.delete_one({"_id": record.session.id, "v": live_revision})
        return gone.deleted_count > 0

    async def _fold_back(self, live: Session, live_revision: int) -> None:
        """The session is in both collections: make it an active one again that knows everything."""
        old = await self._history.find_one({"_id": live.id})
        if old is None:
            return
        whole = document(merged(session_of(old), live), live_revision + 1)
        if (await self._live.replace_one({"_id": live.id, "v": live_revision}, whole)).matched_count:
            await self._history.delete_one(_at_revision(old))

    async def _keep(self, record: Record, old: Document | None) -> bool:
        """Write the history of a session over `old`; False (or DuplicateKeyError) after a lost race."""
        if old is None:
            await self._history.insert_one(history_document(record, 0))
            return True
        if record == Record(session_of(old), verdict_of(old)):
            return True
        replaced = await self._history.replace_one(_at_revision(old), history_document(record, old["v"] + 1))
        return replaced.matched_count > 0

    async def _tell(self, record: Record) -> None:
        hook = self._on_ended.get(record.session.kind)
        if hook is not None:
            await hook(record)

    def _judged(self, session: Session, leases: Leases) -> Record:
        now = self._now()
        verdict = judge(session, leases, now)
        return Record(settled(session, verdict, leases, now), verdict)


def _at_revision(kept: Document) -> dict[str, Any]:
    return {"_id": kept["_id"], "v": kept["v"]}
