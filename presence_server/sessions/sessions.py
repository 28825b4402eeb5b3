"""Sockets that carry sessions: connect starts or resumes one, disconnect leaves it, an event ends it (CONTRACT §2).

The same for every kind; what a kind wants to see in a handshake is its `Admit` (see `listening`). Handlers finish at
once; the client hears `session` when the start is on the disk.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError

from backend_api.contract.session_tokens import SessionClaims, check, issue
from backend_api.contract.sessions import Quality, Reason, SessionKind
from backend_api.contract.wire import at as moment
from backend_api.contract.wire import rfc3339
from backend_api.service.tokens import Claims
from presence_server.clock import Clock
from presence_server.door import FrontDoor
from presence_server.engine import Engine
from presence_server.errors import ConnectionRefused
from presence_server.expiries import Expiries
from presence_server.limits import AddressBook, Pace
from presence_server.rooms import CountChange, RoomCounter
from presence_server.sessions.intervals import Intervals
from presence_server.sessions.reports import SessionReports

Ack = dict[str, object]

SESSION_EVENT = "session"
DURABLE_SECONDS = 10.0
"""A start that is not on the disk by then is refused."""

_CLEAN = frozenset({"client disconnect", "server disconnect"})
_SILENT = "ping timeout"

log = structlog.get_logger(__name__)


class Wanted(NamedTuple):
    """What a handshake asks for, after it was checked.

    `details` are fields of the reports (`channel_id`, `user_id`, ...). `room` is where the socket counts as a viewer.
    `session_id` is given where the kind knows it beforehand (a lesson is its link's); `session_token` is as sent.
    """

    subject: str
    target: tuple[str, ...]
    details: dict[str, str]
    viewer_id: str
    room: str | None = None
    claims: Claims | None = None
    session_id: str | None = None
    session_token: str | None = None


Admit = Callable[[object, str], Wanted | Coroutine[Any, Any, Wanted]]
"""Given `auth` and the connection: what is wanted, or what to await for it. Raises ConnectionRefused, either way."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What the session sockets of all kinds share.

    `silence_seconds`: how long a lost socket had been silent when the ping timeout noticed it.
    """

    intervals: Intervals
    reports: SessionReports
    counter: RoomCounter
    changed: Callable[[CountChange], None]
    engine: Engine
    door: FrontDoor
    clock: Clock
    secrets: Sequence[bytes]
    guests: AddressBook
    silence_seconds: float


class _Socket(NamedTuple):
    connection: str
    address: str
    is_guest: bool
    wanted: Wanted
    details: dict[str, str]


class SessionSockets:
    """The sockets of one namespace."""

    def __init__(self, kind: SessionKind, admit: Admit, floor: Floor) -> None:
        self.namespace = f"/{kind}"
        self.kind = kind
        self._admit = admit
        self._floor = floor
        self._expiries = Expiries()
        self._sockets: dict[str, _Socket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    def connect(self, sid: str, agent: str, auth: object) -> Coroutine[Any, Any, None] | None:
        """Let a socket in, at once or by the coroutine that is given back. Raises ConnectionRefused, either way."""
        connection = self._floor.engine.connection_of(sid, self.namespace)
        if self._floor.door.is_beyond(connection):
            raise ConnectionRefused("too_many_sockets", "Too many connections from this address.")
        # Every connect may be a record: whoever joins and leaves in a loop pays as for any event.
        if self._pace(connection) is not Pace.OK:
            raise ConnectionRefused("slow_down", "Too many events; wait a moment.")
        wanted = self._admit(auth, connection)
        if not isinstance(wanted, Wanted):
            return self._connect_later(sid, connection, agent, wanted)
        self._enter(sid, connection, agent, wanted)
        return None

    async def _connect_later(self, sid: str, connection: str, agent: str, waiting: Coroutine[Any, Any, Wanted]) -> None:
        wanted = await waiting
        if self._floor.engine.is_open(connection):
            self._enter(sid, connection, agent, wanted)

    def _enter(self, sid: str, connection: str, agent: str, wanted: Wanted) -> None:
        is_guest, address = wanted.claims is None, self._floor.door.address(connection)
        if is_guest and not self._floor.guests.enter(address):
            raise ConnectionRefused("too_many_sockets", "Too many guests' sessions from this address.")
        details = {**wanted.details, "address": address[:64], **self._floor.door.place(connection).facts()}
        details |= {"user_agent": agent[:512]} if agent else {}
        self._sockets[sid] = _Socket(connection, address, is_guest, wanted, details)
        if wanted.claims is not None:
            self._expiries.add(sid, wanted.claims.exp_at)
        self._count_in(self._sockets[sid])
        session, resumed = self._session(wanted)
        self._carry(sid, session, resumed=resumed)

    def disconnect(self, sid: str, reason: str) -> None:
        """The socket is gone; what that means for the session, the backend decides."""
        socket = self._sockets.pop(sid, None)
        if socket is None:
            return
        if socket.is_guest:
            self._floor.guests.exit(socket.address)
        if socket.wanted.claims is not None:
            self._expiries.remove(sid, socket.wanted.claims.exp_at)
        for change in self._floor.counter.disconnect(socket.connection, self.namespace):
            self._floor.changed(change)
        now = self._floor.clock.now()
        left: Reason = "disconnect" if reason in _CLEAN else "lost"
        at = now - self._floor.silence_seconds if reason == _SILENT else now
        report = self._floor.intervals.close(sid, "shutdown" if self._draining else left, at, now)
        if report is not None:
            self._floor.reports.add(report)

    async def end(self, sid: str, reason: Reason) -> Ack:
        """The client ends the session; acknowledged when that is on the disk.

        Other sockets that carry it, as those of a duplicated tab, go on with a session of their own.
        """
        socket, session = self._sockets.get(sid), self._floor.intervals.session_of(sid)
        if socket is not None and self._pace(socket.connection) is not Pace.OK:
            return _SLOW_DOWN
        if session is None:
            return _refusal("bad_request", "There is no session to end.")
        now, durable = self._floor.clock.now(), None
        for carrier in sorted(self._floor.intervals.sockets(session.session_id)):
            report = self._floor.intervals.close(carrier, reason, now, now)
            if report is not None:
                durable = self._floor.reports.add(report)
            if carrier != sid and carrier in self._sockets and self._sockets[carrier].wanted.session_id is None:
                self._carry(carrier, self._fresh(self._sockets[carrier].wanted), resumed=False)
        self._count_out(sid)
        if durable is not None:
            await durable
        return {"ok": True, "sessionId": session.session_id, "endedAt": rfc3339(moment(now))}

    def quality(self, sid: str, *arguments: object) -> Ack:
        """What playing was like since the last time."""
        socket = self._sockets.get(sid)
        if socket is None or self._pace(socket.connection) is not Pace.OK:
            return _SLOW_DOWN
        try:
            self._floor.intervals.add_quality(sid, Quality.model_validate(*arguments[:1]))
        except (ValidationError, TypeError):
            return _refusal("bad_request", "Send buffering, reconnects and bitrate.")
        return {"ok": True}

    def tick(self) -> None:
        """Close whose token has expired; begin a new session where one is as long as it may be."""
        now = self._floor.clock.now()
        for sid in self._expiries.take_due(now):
            self._floor.engine.disconnect(sid, self.namespace)
        for sid in [sid for sid in self._floor.intervals.over_limit(now) if sid in self._sockets]:
            report = self._floor.intervals.close(sid, "limit", now, now)
            if report is not None:
                self._floor.reports.add(report)
            self._carry(sid, self._fresh(self._sockets[sid].wanted), resumed=False)

    def tell(self, sid: str, event: str, data: object) -> None:
        """One event to one socket; passed over when it is gone."""
        socket = self._sockets.get(sid)
        if socket is not None:
            self._floor.engine.fanout.send({socket.connection}, event, data, namespace=self.namespace)

    def drain(self) -> None:
        """From here on it is the server that closes; clients will be back."""
        self._draining = True

    def carried(self) -> list[tuple[str, SessionClaims]]:
        """Every socket here that carries a session, and which."""
        known = ((sid, self._floor.intervals.session_of(sid)) for sid in self._sockets)
        return [(sid, session) for sid, session in known if session is not None]

    def __len__(self) -> int:
        return len(self._sockets)

    def _session(self, wanted: Wanted) -> tuple[SessionClaims, bool]:
        """The session that the token speaks of, if it may be resumed by this client, else a fresh one."""
        token = wanted.session_token
        known = check(self._floor.secrets, token) if token is not None else None
        if known is None or not self._is_theirs(known, wanted):
            return self._fresh(wanted), False
        may_resume = self._floor.intervals.may_resume(known, self._floor.clock.now())
        return (known, True) if may_resume else (self._fresh(wanted), False)

    def _is_theirs(self, known: SessionClaims, wanted: Wanted) -> bool:
        """A guest with a token may go on as whoever the token names; a user only as themselves."""
        same = known.kind == self.kind and known.target == wanted.target
        return same and (wanted.claims is None or known.subject == wanted.subject)

    def _fresh(self, wanted: Wanted) -> SessionClaims:
        session_id = wanted.session_id or token_urlsafe(16)
        return SessionClaims(self.kind, session_id, self._floor.clock.now(), wanted.subject, wanted.target)

    def _carry(self, sid: str, session: SessionClaims, *, resumed: bool) -> None:
        socket, floor = self._sockets[sid], self._floor
        details = {**socket.details, **_who(session)}
        report = floor.intervals.open(sid, session, token_urlsafe(12), details, floor.clock.now())
        durable = floor.reports.add(report)
        task = asyncio.get_running_loop().create_task(self._announce(sid, session, durable, resumed=resumed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _announce(self, sid: str, session: SessionClaims, durable: Any, *, resumed: bool) -> None:
        try:
            await asyncio.wait_for(durable, DURABLE_SECONDS)
        except TimeoutError:
            log.error("session_not_durable", kind=self.kind)
            self._floor.engine.disconnect(sid, self.namespace)
            return
        answer = {
            "sessionId": session.session_id,
            "sessionToken": issue(self._floor.secrets[0], session),
            "startedAt": rfc3339(moment(session.started_at)),
            "resumed": resumed,
        }
        self.tell(sid, SESSION_EVENT, answer)

    def _count_in(self, socket: _Socket) -> None:
        self._floor.counter.connect(socket.connection, socket.wanted.viewer_id, self.namespace)
        if socket.wanted.room is not None:
            change = self._floor.counter.join(socket.connection, socket.wanted.room, self.namespace)
            if change is not None:
                self._floor.changed(change)

    def _count_out(self, sid: str) -> None:
        socket = self._sockets.get(sid)
        if socket is not None and socket.wanted.room is not None:
            change = self._floor.counter.leave(socket.connection, socket.wanted.room, self.namespace)
            if change is not None:
                self._floor.changed(change)

    def _pace(self, connection: str) -> Pace:
        pace = self._floor.door.pace(connection)
        if pace is Pace.FLOOD:
            self._floor.engine.expel(connection)
        return pace


def _who(session: SessionClaims) -> dict[str, str]:
    """A resumed session stays its owner's, whoever holds the token."""
    ids = {"user_id": session.user_id, "listener_id": session.listener_id}
    return {name: value for name, value in ids.items() if value is not None}


_SLOW_DOWN: Ack = {"ok": False, "error": {"code": "slow_down", "message": "Too many events; wait a moment."}}


def _refusal(code: str, message: str) -> Ack:
    return {"ok": False, "error": {"code": code, "message": message}}
