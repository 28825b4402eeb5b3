"""A user's stays in calls: started and ended over HTTP or by sockets, corrected by admins."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from backend_api.contract.session_tokens import SessionClaims, issue
from backend_api.contract.sessions import TIMINGS, Reason
from backend_api.service.errors import Conflict, NotFound, TooManyRequests
from backend_api.sessions import beats
from backend_api.sessions.documents import Record
from backend_api.sessions.lifecycle import HTTP_NODE, Session
from backend_api.sessions.store import SessionStore
from backend_api.study.calls import LONGEST_SECONDS, Expected, Facts
from backend_api.study.hearing import Hearing
from backend_api.study.providers import ProviderError
from backend_api.study.reading import StudyReading
from backend_api.study.rows import Manual, Row
from backend_api.study.store import StudyStore

CALLS_AT_ONCE = 20
"""So many calls a user may be in; each is asked about at the provider."""
BEATING_AFTER_SECONDS = 30.0
"""Who is heard again so long after a start sends beats; a start that is only repeated at once is no beat."""

log = structlog.get_logger(__name__)


class StudyTracking:
    """Sessions of the kind `study`. `secrets` sign the tokens by which sockets go on with them."""

    def __init__(
        self,
        sessions: SessionStore,
        store: StudyStore,
        hearing: Hearing,
        reading: StudyReading,
        secrets: Sequence[bytes],
        now: Callable[[], float],
    ) -> None:
        self._sessions, self._store, self._hearing, self._reading = sessions, store, hearing, reading
        self._secrets, self._now = secrets, now

    async def start(self, user_id: str, said_call_id: str) -> tuple[Row, str]:
        """The user's active session in this call, else a new one; and its token.

        TooManyRequests for too many calls at once.
        """
        call_id, now = self._reading.short(said_call_id), self._now()
        recent = await self._reading.recent(user_id, call_id)
        active = next((record for record in recent if record.verdict.status == "active"), None)
        if active is None:
            await self._check_share(user_id)
            next_id = _id_of_next(user_id, call_id, recent[0].session.id if recent else None, now)
            session = beats.started(next_id, "study", {"user": user_id, "call": call_id}, now)
        else:
            session = beats.beaten(active.session, now)
        (record,) = await self._sessions.merge([session])
        await self._hearing.expect(call_id, _expected(record, user_id))
        claims = SessionClaims("study", record.session.id, record.session.started_at, f"u:{user_id}", (said_call_id,))
        return await self._reading.row(record), issue(self._secrets[0], claims)

    async def end(self, user_id: str, said_call_id: str, reason: Reason) -> Row:
        """The session is over now; the provider's measure counts where it has one. NotFound where none was begun.

        `disconnect`: its page closed, and may be back within the grace.
        """
        call_id = self._reading.short(said_call_id)
        recent = await self._reading.recent(user_id, call_id)
        if not recent:
            raise NotFound("No session of this user in this call has begun.")
        # Also one that was silent for so long that it was taken for over: over HTTP alone nobody beats.
        record = next((record for record in recent if record.verdict.status == "active"), recent[0])
        if record.verdict.status != "completed":
            (record,) = await self._sessions.merge([_ended(record.session, self._now(), reason)])
        try:
            await self._hearing.learn(call_id)
        except ProviderError as error:
            log.warning("provider_fallback", call=call_id, reason=str(error))
        return await self._reading.row(record)

    async def learn(self, call_id: str) -> None:
        """Asks the provider what it knows of a call. ProviderError where it gives no answer."""
        await self._hearing.learn(call_id)

    async def heard(self, call_id: str, session: str, facts: Facts) -> None:
        """The provider told something about one session of a call."""
        await self._hearing.heard(self._reading.short(call_id), session, facts)

    async def sockets_told(self, record: Record) -> None:
        """For `SessionStore.on_ended`: the provider is to be asked about the call of a session that is over."""
        call_id, user_id = record.session.fact("call"), record.session.fact("user")
        if call_id is not None and user_id is not None:
            await self._hearing.expect(self._reading.short(call_id), _expected(record, user_id))

    async def correct(self, session_id: str, manual: Manual) -> Row:
        """A session of ours, or one that only the provider knows. NotFound for any other.

        Conflict while it is on, or where it would reach into the future.
        """
        row = await self._find(session_id)
        if row.left_at is None:
            raise Conflict("Only a session that is over can be corrected.")
        if row.joined_at + manual.seconds > manual.at:
            raise Conflict("The session would reach into the future.")
        await self._store.correct(session_id, manual)
        return await self._find(session_id)

    async def _find(self, session_id: str) -> Row:
        record = await self._sessions.find(session_id)
        if record is not None and record.session.kind == "study":
            return await self._reading.row(record)
        known = await self._store.stay_of(session_id)
        row = None if known is None else await self._reading.row_of_stay(*known)
        if row is None:
            raise NotFound("There is no such session.")
        return row

    async def _check_share(self, user_id: str) -> None:
        found = await self._sessions.active("study", user=user_id)
        if sum(record.verdict.status == "active" for record in found) >= CALLS_AT_ONCE:
            raise TooManyRequests(f"More than {CALLS_AT_ONCE} calls at once.", retry_after_seconds=60)


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


def _id_of_next(user_id: str, call_id: str, last: str | None, now: float) -> str:
    """The same for all who start at once: by the session before it, or the day where there was none within a day."""
    name = f"{user_id}|{call_id}|{last or int(now // LONGEST_SECONDS)}"
    return "s-" + hashlib.sha256(name.encode()).hexdigest()[:24]
