"""A user's stays in calls: started and ended over HTTP or by sockets, read together with what the provider knows."""

from collections.abc import Callable
from dataclasses import replace
from secrets import token_urlsafe
from zoneinfo import ZoneInfo

import structlog

from backend_api.service.errors import NotFound
from backend_api.sessions import beats
from backend_api.sessions.documents import Record, session_of, verdict_of
from backend_api.sessions.lifecycle import HTTP_NODE, Session
from backend_api.sessions.store import SessionStore
from backend_api.study.calls import Facts
from backend_api.study.providers import CallProvider, ProviderError
from backend_api.study.rows import Manual, Measured, Row, rows
from backend_api.study.store import StudyStore

LONGEST_SECONDS = 86_400.0
"""How long before a range a session may have begun that still lies in it; how long an end is waited for."""

log = structlog.get_logger(__name__)


class StudyTracking:
    """Sessions of the kind `study`. A call's short id is the one without the default type."""

    def __init__(
        self,
        sessions: SessionStore,
        study: StudyStore,
        provider: CallProvider,
        call_type: str,
        zone: ZoneInfo,
        now: Callable[[], float],
    ) -> None:
        self._sessions, self._study, self._provider = sessions, study, provider
        self._prefix, self.zone, self._now = f"{call_type}:", zone, now

    def short(self, call_id: str) -> str:
        return call_id.removeprefix(self._prefix)

    async def start(self, user_id: str, call_id: str) -> Row:
        """The user's active session in this call; a new one where there is none."""
        call_id, now = self.short(call_id), self._now()
        active = await self._active_in(user_id, call_id)
        if active is None:
            session = beats.started(token_urlsafe(16), "study", {"user": user_id, "call": call_id}, now)
        else:
            session = beats.beaten(active.session, now)
        (record,) = await self._sessions.merge([session])
        await self._study.expect(call_id, now)
        return await self._row(record, call_id)

    async def end(self, user_id: str, call_id: str) -> Row:
        """The session is over now; the provider's measure counts where it has one. NotFound where none was begun."""
        call_id = self.short(call_id)
        record = await self._active_in(user_id, call_id)
        if record is None:
            record = await self._latest_in(user_id, call_id)
        if record.verdict.status != "completed":
            (record,) = await self._sessions.merge([_ended(record.session, self._now())])
        await self.ask(call_id)
        return await self._row(record, call_id)

    async def ask(self, call_id: str) -> bool:
        """Learns what the provider knows of a call; False where it could not be asked, and the fallback counts."""
        try:
            facts = await self._provider.call(call_id)
        except ProviderError as error:
            log.warning("provider_fallback", call=call_id, reason=str(error))
            return False
        await self._study.add(call_id, facts or Facts(), self._now(), asked=True)
        return True

    async def sockets_told(self, record: Record) -> None:
        """For `SessionStore.on_ended`: the provider is to be asked about the call of a session that is over."""
        call_id = record.session.fact("call")
        if call_id is not None:
            await self._study.expect(self.short(call_id), self._now())

    async def facts(self, call_id: str) -> Facts:
        """What the provider said about a call."""
        return await self._study.call(self.short(call_id))

    async def of_user(self, user_id: str, start_at: float, end_at: float) -> list[Row]:
        """A user's sessions that lie in the range, at least in part."""
        early, now = start_at - LONGEST_SECONDS, self._now()
        measured = await self._measured("user", user_id, early, end_at)
        known = {call.call_id: _only(call.facts, user_id) for call in await self._study.calls_of(user_id, early)}
        found = await self._rows(measured, known)
        return [row for row in found if row.joined_at < end_at and (row.left_at or now) >= start_at]

    async def of_call(self, call_id: str, start_at: float, end_at: float) -> tuple[list[Row], Facts]:
        """Everybody's sessions in a call, and the provider's facts about it."""
        short, early = self.short(call_id), start_at - LONGEST_SECONDS
        measured: list[Measured] = []
        for form in {short, short if ":" in short else self._prefix + short}:
            measured += await self._measured("call", form, early, end_at)
        facts = await self._study.call(short)
        found = await self._rows(measured, {short: facts})
        return [row for row in found if row.joined_at < end_at and (row.left_at or self._now()) >= start_at], facts

    async def correct(self, session_id: str, manual: Manual) -> Row:
        """NotFound for a session that we did not measure."""
        record = await self._sessions.find(session_id)
        if record is None or record.session.kind != "study":
            raise NotFound("There is no such session.")
        await self._study.correct(session_id, manual)
        return await self._row(record, self.short(record.session.fact("call") or ""))

    async def _row(self, record: Record, call_id: str) -> Row:
        session = self._shaped(record)
        facts = _only(await self._study.call(call_id), session.user_id)
        found = await self._rows([session], {call_id: facts})
        return next(row for row in found if row.id == session.id)

    async def _rows(self, measured: list[Measured], calls: dict[str, Facts]) -> list[Row]:
        manual = await self._study.corrections([session.id for session in measured])
        return rows(measured, calls, manual, self._now())

    async def _measured(self, fact: str, value: str, start_at: float, end_at: float) -> list[Measured]:
        kept = await self._sessions.ended("study", fact, value, start_at, end_at)
        ended = {document["_id"]: Record(session_of(document), verdict_of(document)) for document in kept}
        active = {record.session.id: record for record in await self._sessions.active("study", **{fact: value})}
        return [self._shaped(record) for record in (ended | active).values()]

    def _shaped(self, record: Record) -> Measured:
        session, verdict = record
        user_id, call_id = session.fact("user") or "", self.short(session.fact("call") or "")
        return Measured(session.id, user_id, call_id, session.started_at, verdict.end_at, verdict.pieces)

    async def _active_in(self, user_id: str, call_id: str) -> Record | None:
        for record in await self._sessions.active("study", user=user_id):
            if self.short(record.session.fact("call") or "") == call_id and record.verdict.status == "active":
                return record
        return None

    async def _latest_in(self, user_id: str, call_id: str) -> Record:
        """Also one that was silent for so long that it was taken for over: over HTTP alone nobody beats."""
        now = self._now()
        found = await self._sessions.active("study", user=user_id)
        for document in await self._sessions.ended("study", "user", user_id, now - LONGEST_SECONDS, now + 1):
            found.append(Record(session_of(document), verdict_of(document)))
        mine = [record for record in found if self.short(record.session.fact("call") or "") == call_id]
        if not mine:
            raise NotFound("No session of this user in this call has begun.")
        return max(mine, key=lambda record: record.session.started_at)


def _ended(session: Session, now: float) -> Session:
    """The end over HTTP: where only a start came by HTTP, all the time since then was the session."""
    begun = session.latest(HTTP_NODE)
    if begun is None or begun.closed_at is not None:
        return beats.ended(session, now, "stop")
    closed = replace(begun, last_seen_at=now, closed_at=now, reason="stop", version=begun.version + 1)
    return replace(session, intervals=(closed,))


def _only(facts: Facts, user_id: str) -> Facts:
    """What concerns one user, and the call as a whole."""
    return Facts(
        frozenset(fact for fact in facts.joined if fact.user_id == user_id),
        frozenset(fact for fact in facts.left if fact.user_id == user_id),
        facts.opened,
        facts.closed,
    )
