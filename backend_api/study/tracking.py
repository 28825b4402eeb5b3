"""A user's stays in calls: started and ended over HTTP or by sockets, read together with what the provider knows."""

from collections.abc import Callable
from dataclasses import replace
from secrets import token_urlsafe
from zoneinfo import ZoneInfo

import structlog

from backend_api.contract.sessions import TIMINGS, Reason
from backend_api.service.errors import Conflict, NotFound, TooManyRequests
from backend_api.sessions import beats
from backend_api.sessions.documents import Record, session_of, verdict_of
from backend_api.sessions.lifecycle import HTTP_NODE, Session
from backend_api.sessions.store import SessionStore
from backend_api.study.calls import Expected, Facts, stays
from backend_api.study.providers import CallProvider, ProviderError
from backend_api.study.rows import LONGEST_SECONDS, Manual, Measured, Row, id_of_stay, rows
from backend_api.study.store import StudyStore

CALLS_AT_ONCE = 20
"""So many calls a user may be in; each is asked about at the provider."""
BEATING_AFTER_SECONDS = 30.0
"""Who is heard again so long after a start sends beats; a start that is only repeated at once is no beat."""

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
        """The user's active session in this call, else a new one. TooManyRequests for too many calls at once."""
        call_id, now = self.short(call_id), self._now()
        active = await self._active_in(user_id, call_id)
        if active is None:
            await self._check_share(user_id)
            session = beats.started(token_urlsafe(16), "study", {"user": user_id, "call": call_id}, now)
        else:
            session = beats.beaten(active.session, now)
        (record,) = await self._sessions.merge([session])
        await self._study.expect(call_id, _expected(record, user_id), now)
        return await self._row(record, call_id)

    async def end(self, user_id: str, call_id: str, reason: Reason) -> Row:
        """The session is over now; the provider's measure counts where it has one. NotFound where none was begun.

        `disconnect`: its page closed, and may be back within the grace.
        """
        call_id = self.short(call_id)
        record = await self._active_in(user_id, call_id)
        if record is None:
            record = await self._latest_in(user_id, call_id)
        if record.verdict.status != "completed":
            (record,) = await self._sessions.merge([_ended(record.session, self._now(), reason)])
        try:
            await self.learn(call_id)
        except ProviderError as error:
            log.warning("provider_fallback", call=call_id, reason=str(error))
        return await self._row(record, call_id)

    async def learn(self, call_id: str) -> None:
        """Asks the provider what it knows of a call. ProviderError where it gives no answer."""
        facts = await self._provider.call(call_id)
        await self._study.add(call_id, facts or Facts(), self._now(), asked=True)

    async def sockets_told(self, record: Record) -> None:
        """For `SessionStore.on_ended`: the provider is to be asked about the call of a session that is over."""
        call_id, user_id = record.session.fact("call"), record.session.fact("user")
        if call_id is not None and user_id is not None:
            await self._study.expect(self.short(call_id), _expected(record, user_id), self._now())

    async def facts(self, call_id: str) -> Facts:
        """What the provider said about a call."""
        return await self._study.call(self.short(call_id))

    async def of_user(self, user_id: str, start_at: float, end_at: float) -> list[Row]:
        """A user's sessions that lie in the range, at least in part."""
        early, now = start_at - LONGEST_SECONDS, self._now()
        measured = await self._measured("user", user_id, early, end_at)
        known = {call.call_id: _only(call.facts, user_id) for call in await self._study.calls_of(user_id, early)}
        found = await self._rows(measured, known)
        return [row for row in found if row.joined_at < end_at and row.until(now) >= start_at]

    async def of_call(self, call_id: str, start_at: float, end_at: float) -> tuple[list[Row], Facts]:
        """Everybody's sessions in a call, and the provider's facts about it."""
        short, early = self.short(call_id), start_at - LONGEST_SECONDS
        measured: list[Measured] = []
        for form in {short, short if ":" in short else self._prefix + short}:
            measured += await self._measured("call", form, early, end_at)
        facts = await self._study.call(short)
        found = await self._rows(measured, {short: facts})
        return [row for row in found if row.joined_at < end_at and row.until(self._now()) >= start_at], facts

    async def correct(self, session_id: str, manual: Manual) -> Row:
        """A session of ours, or one that only the provider knows. NotFound for any other.

        Conflict while it is on, or where it would reach into the future.
        """
        record = await self._sessions.find(session_id)
        if record is not None and record.session.kind == "study":
            call_id = self.short(record.session.fact("call") or "")
            _check_over(await self._row(record, call_id), manual)
            await self._study.correct(session_id, manual)
            return await self._row(record, call_id)
        known = await self._study.stay_of(session_id)
        if known is None:
            raise NotFound("There is no such session.")
        stay = next(stay for stay in stays(known.facts) if id_of_stay(known.call_id, stay) == session_id)
        span = stay.start, (stay.end or self._now()) + 1
        around = [row for row in await self.of_user(stay.user_id, *span) if row.call_id == known.call_id]
        for row in around:
            if row.joined_at <= stay.start <= row.until(self._now()):
                _check_over(row, manual)
        await self._study.correct(session_id, manual)
        mine = [row for row in await self.of_user(stay.user_id, *span) if row.manual == manual]
        if not mine:
            raise NotFound("There is no such session.")
        return mine[0]

    async def _row(self, record: Record, call_id: str) -> Row:
        session = self._shaped(record)
        facts = _only(await self._study.call(call_id), session.user_id)
        found = await self._rows([session], {call_id: facts})
        return next(row for row in found if row.id == session.id)

    async def _rows(self, measured: list[Measured], calls: dict[str, Facts]) -> list[Row]:
        told = [id_of_stay(call_id, stay) for call_id, facts in calls.items() for stay in stays(facts)]
        manual = await self._study.corrections([*(session.id for session in measured), *told])
        return rows(measured, calls, manual, self._now())

    async def _measured(self, fact: str, value: str, start_at: float, end_at: float) -> list[Measured]:
        kept = await self._sessions.ended("study", fact, value, start_at, end_at)
        ended = {document["_id"]: Record(session_of(document), verdict_of(document)) for document in kept}
        active = {record.session.id: record for record in await self._sessions.active("study", **{fact: value})}
        return [self._shaped(record) for record in (ended | active).values()]

    def _shaped(self, record: Record) -> Measured:
        session, verdict = record
        user_id, call_id = session.fact("user") or "", self.short(session.fact("call") or "")
        return Measured(
            session.id,
            user_id,
            call_id,
            session.started_at,
            verdict.end_at,
            verdict.pieces,
            fell_silent=verdict.status == "timeout",
        )

    async def _check_share(self, user_id: str) -> None:
        found = await self._sessions.active("study", user=user_id)
        if sum(record.verdict.status == "active" for record in found) >= CALLS_AT_ONCE:
            raise TooManyRequests(f"More than {CALLS_AT_ONCE} calls at once.", retry_after_seconds=60)

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


def _check_over(row: Row, manual: Manual) -> None:
    if row.left_at is None:
        raise Conflict("Only a session that is over can be corrected.")
    if row.joined_at + manual.seconds > manual.at:
        raise Conflict("The session would reach into the future.")


def _expected(record: Record, user_id: str) -> Expected:
    session, verdict = record
    end_at = session.started_at if verdict.end_at is None else verdict.end_at
    return Expected(session.id, user_id, session.started_at, end_at)


def _ended(session: Session, now: float, reason: Reason) -> Session:
    """The end over HTTP. Where only a start came before it, all the time since then was the session.

    Where beats came too and then fell silent, the last one was its end: a page that slept must not count its sleep.
    """
    begun = session.latest(HTTP_NODE)
    if begun is None or begun.closed_at is not None:
        return beats.ended(session, now, reason)
    beats_too = begun.last_seen_at - begun.started_at >= BEATING_AFTER_SECONDS
    fell_silent = beats_too and now - begun.last_seen_at > TIMINGS["study"].stale_seconds
    end_at = begun.last_seen_at if fell_silent else now
    closed = replace(begun, last_seen_at=end_at, closed_at=end_at, reason=reason, version=begun.version + 1)
    return replace(session, intervals=(closed,))


def _only(facts: Facts, user_id: str) -> Facts:
    """What concerns one user, and the call as a whole."""
    return Facts(
        frozenset(fact for fact in facts.joined if fact.user_id == user_id),
        frozenset(fact for fact in facts.left if fact.user_id == user_id),
        facts.opened,
        facts.closed,
    )
