"""Listening sessions over HTTP: start, beat, end, for pages that have no socket (CONTRACT §3)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from secrets import token_urlsafe
from typing import Final, NamedTuple

from backend_api.contract.session_tokens import SessionClaims, check, issue
from backend_api.contract.sessions import Reason
from backend_api.listening.describing import described
from backend_api.listening.limits import StartLimits
from backend_api.nodes.leases import Leases
from backend_api.service.access import Caller, Nobody, User
from backend_api.service.errors import Forbidden, NotFound, TooManyRequests, Unauthorized
from backend_api.service.places import Place
from backend_api.sessions import beats
from backend_api.sessions.documents import Record
from backend_api.sessions.lifecycle import judge
from backend_api.sessions.store import SessionStore

KIND: Final = "listening"


class Sender(NamedTuple):
    """Where a request comes from."""

    address: str
    user_agent: str
    place: Place


class ListeningCalls:
    """What the three calls do."""

    def __init__(
        self,
        store: SessionStore,
        secrets: Sequence[bytes],
        limits: StartLimits,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._limits = limits
        self._now = now

    async def start(
        self, caller: Caller, target: tuple[str, str, str], listener_id: str | None, sender: Sender
    ) -> tuple[Record, str]:
        """A new session and its token. TooManyRequests where user, or guests of the address, have their share."""
        now, user = self._now(), _user_of(caller)
        if not self._limits.may_start(_holder(user, sender.address), now):
            raise TooManyRequests("Too many sessions at once.", retry_after_seconds=60)
        subject = f"u:{user}" if user else f"g:{listener_id}" if listener_id else ""
        claims = SessionClaims(KIND, token_urlsafe(16), now, subject, target)
        facts = _facts(claims) | {"listener": listener_id} | described(sender.user_agent, sender.place)
        (record,) = await self._store.merge([beats.started(claims.session_id, KIND, facts, now)])
        self._limits.heard(_holder(user, sender.address), claims.session_id, now)
        return record, issue(self._secrets[0], claims)

    async def beat(
        self, caller: Caller, session_id: str, token: str | None, client_seconds: int | None, address: str
    ) -> tuple[Record, bool]:
        """The session after a sign of life, and whether it was still active."""
        record = await self._theirs(caller, session_id, token)
        if record.verdict.status != "active":
            return record, False
        self._limits.heard(_holder(record.session.fact("user"), address), session_id, self._now())
        beaten = replace(beats.beaten(record.session, self._now()), client_seconds=client_seconds)
        (record,) = await self._store.merge([beaten])
        return record, record.verdict.status == "active"

    async def end(
        self,
        caller: Caller,
        session_id: str,
        token: str | None,
        client_seconds: int | None,
        address: str,
        reason: Reason = "stop",
    ) -> Record:
        """The ended session; the same answer every time. With `disconnect` it may go on within the grace."""
        record = await self._theirs(caller, session_id, token)
        self._limits.over(_holder(record.session.fact("user"), address), session_id)
        if record.verdict.status == "active":
            over = beats.ended(record.session, self._now(), reason, client_seconds)
        else:
            over = replace(record.session, client_seconds=client_seconds)
        (record,) = await self._store.merge([over])
        return record

    async def _theirs(self, caller: Caller, session_id: str, token: str | None) -> Record:
        """The session, if the caller is its owner or shows its token. The id alone never suffices."""
        claims = check(self._secrets, token) if token is not None else None
        if token is not None and (claims is None or claims.session_id != session_id or claims.kind != KIND):
            raise Unauthorized("The session token is not valid.")
        if claims is None and isinstance(caller, Nobody):
            raise Unauthorized("The session's token, or its user's, is needed.")
        record = await self._store.find(session_id)
        if claims is not None:
            return record or self._recreated(claims)
        if record is None or record.session.kind != KIND:
            raise NotFound("There is no such session.")
        if record.session.fact("user") != _user_of(caller) or _user_of(caller) is None:
            raise Forbidden("This is somebody else's session.")
        return record

    def _recreated(self, claims: SessionClaims) -> Record:
        """A session that only its token knows of: its first report is still on the way, or was lost with a disk."""
        session = beats.started(claims.session_id, KIND, _facts(claims), self._now())
        return Record(session, judge(session, Leases(), self._now()))


def _facts(claims: SessionClaims) -> dict[str, str | None]:
    channel, stream, show = (*claims.target, "", "", "")[:3]
    return {
        "user": claims.user_id,
        "listener": claims.listener_id,
        "channel": channel or None,
        "stream": stream or None,
        "show": show or None,
    }


def _holder(user: str | None, address: str) -> str:
    """Whose share of sessions it is: a user's own, or that of the guests of one address."""
    return address if user is None else f"u:{user}"


def _user_of(caller: Caller) -> str | None:
    return caller.claims.sub[:128] if isinstance(caller, User) else None
