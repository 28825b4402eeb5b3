"""One Engine.IO session, whatever carries it: its packets, its one queue of work, its end.

Everything that happens to a session goes through `submit`, in order: a message is handled, a namespace is left. Work
that finishes at once runs at once, in a context of its own. Work that has to wait gives back a coroutine that has not
been started; it becomes a task from its first step, and what comes meanwhile waits in the queue. A session that has
ended is dead from that moment (`alive`), but its last work still runs behind what is in flight, so that nothing can
outlive its own ending.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from presence_server.engine.packets import BadPacket
from presence_server.engine.requests import Facts

if TYPE_CHECKING:
    from presence_server.engine.connections import Connections
    from presence_server.engine.heartbeats import Round
    from presence_server.engine.members import Member
    from presence_server.engine.packets import Assembly

log = logging.getLogger("presence_server.engine")

Work = Callable[..., Coroutine[Any, Any, None] | None]

CLIENT_DISCONNECT = "client disconnect"
SERVER_DISCONNECT = "server disconnect"
PING_TIMEOUT = "ping timeout"
TRANSPORT_CLOSE = "transport close"
TRANSPORT_ERROR = "transport error"

_CROWDED = 32


class Wire(Protocol):
    """What carries a session's packets to the client. Sending never runs a handler, not even of a session it ends."""

    name: ClassVar[str]

    descriptor: int
    """Where frames may be written directly at this moment; -1 where they must take the wire's own way."""

    def send(self, packet: bytes) -> None:
        """Send one text packet, type digit included."""

    def send_binary(self, data: bytes) -> None:
        """Send one binary message."""

    def deliver(self, packet: bytes, frame: bytes, topic: str | None) -> None:
        """Send a text packet that may have been framed and even partly written already: `frame` is what is left of it.

        With a topic a later packet of the same topic makes this one superfluous.
        """

    def hold(self) -> None:
        """Take nothing more from the client for now."""

    def release(self) -> None:
        """Take packets again."""

    def close(self, code: int, reason: str) -> None:
        """End politely, with a bound on how long it takes."""

    def refuse(self, code: int, reason: str) -> None:
        """End for an offence: say why, without waiting for an answer."""

    def abort(self) -> None:
        """End at once."""


class Socket:
    """An Engine.IO session; the library knows it through `server.sockets`."""

    __slots__ = (
        "_backlog",
        "_connections",
        "_running",
        "_session",
        "alive",
        "assembly",
        "awaited",
        "facts",
        "held",
        "members",
        "round",
        "sid",
        "upgrading",
        "wire",
    )

    def __init__(self, connections: "Connections", sid: str, facts: Facts, wire: Wire) -> None:
        self._connections = connections
        self.sid = sid
        self.facts = facts
        self.wire = wire
        self.alive = True
        self.held = False
        self.upgrading = False
        self.awaited = False
        self.round: Round | None = None
        self.members: tuple[Member, ...] = ()
        self.assembly: Assembly | None = None
        self._session: dict[str, Any] | None = None
        self._running: asyncio.Task[None] | bool = False
        self._backlog: deque[tuple[Work, tuple[Any, ...]]] | None = None

    @property
    def closed(self) -> bool:
        return not self.alive

    @property
    def upgraded(self) -> bool:
        return self.wire.name == "websocket"

    @property
    def session(self) -> dict[str, Any]:
        if self._session is None:
            self._session = {}
        return self._session

    @session.setter
    def session(self, session: dict[str, Any]) -> None:
        self._session = session

    @property
    def waits(self) -> bool:
        """Whether a task of this session is in flight."""
        return isinstance(self._running, asyncio.Task)

    def receive(self, packet: str | bytes) -> None:
        """Take one Engine.IO packet: text with its type digit, or a binary message."""
        if not self.alive:
            return
        try:
            if packet == "3":
                self.awaited = False
            elif isinstance(packet, bytes) or packet[:1] == "4":
                self._connections.application.message(self, packet if isinstance(packet, bytes) else packet[1:])
            elif packet == "1":
                self.end(CLIENT_DISCONNECT)
                self.wire.close(1000, "")
            else:
                raise BadPacket("not an Engine.IO packet for clients")
        except BadPacket as bad:
            self.fail(bad)

    def move(self, wire: Wire) -> None:
        """From now on another wire carries the session."""
        self.wire = wire
        self._connections.application.moved(self)

    def fail(self, bad: BadPacket) -> None:
        """The client broke the protocol: one line in the log, and the connection closes."""
        if self.alive:
            log.debug("closing %s: %s", self.facts.address, bad)
            self.end(TRANSPORT_ERROR)
            self.wire.refuse(1008, str(bad))

    def end(self, reason: str) -> None:
        """The session is over from now on; who was in it hears the reason, after the work in flight. Idempotent."""
        if not self.alive:
            return
        self.alive = False
        self.assembly = None
        self._connections.ended(self)
        self._connections.application.ended(self)
        for member in self.members:
            self.submit(self._connections.application.left, member, reason)
        self.submit(self._forget)

    def _forget(self) -> None:
        self.members = ()

    def submit(self, work: Work, *args: Any) -> None:
        """Run work now, or behind the work in flight."""
        if self._running is False:
            self._run(work, args)
            return
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append((work, args))
        if len(self._backlog) == _CROWDED and self.alive:
            self.held = True
            self.wire.hold()

    def cancel(self) -> None:
        """Cancel the task in flight, if there is one, and drop the messages behind it; leaving still happens."""
        if isinstance(self._running, asyncio.Task):
            self._running.cancel()
        if self._backlog:
            ending = (self._connections.application.left, self._forget)
            self._backlog = deque(entry for entry in self._backlog if entry[0] in ending)

    def _run(self, work: Work, args: tuple[Any, ...]) -> None:
        self._running = True
        while True:
            context = copy_context()
            pending = context.run(self._step, work, args)
            if pending is not None:
                self._start(pending, context)
                return
            if not self._backlog:
                break
            work, args = self._backlog.popleft()
        self._running = False
        self._backlog = None
        self._relieve()

    def _step(self, work: Work, args: tuple[Any, ...]) -> Coroutine[Any, Any, None] | None:
        try:
            return work(*args)
        except BadPacket as bad:
            self.fail(bad)
        except Exception:
            log.exception("work of a session failed")
        return None

    def _start(self, pending: Coroutine[Any, Any, None], context: Context) -> None:
        task = self._connections.start_task(pending, context)
        self._running = task
        task.add_done_callback(self._finished)
        if not self.alive:
            self._connections.linger(self)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work of a session failed", exc_info=error)
        if self._running is not task:
            return
        if self._backlog:
            self._relieve()
            self._run(*self._backlog.popleft())
        else:
            self._running, self._backlog = False, None
            self._relieve()
        if self._running is False:
            self._connections.settled(self)

    def abandon(self) -> None:
        """Go on without the task in flight: it was cancelled and did not listen."""
        log.warning("a handler ignores its cancellation")
        self._running = False
        if self._backlog:
            self._run(*self._backlog.popleft())

    def _relieve(self) -> None:
        if self.held and len(self._backlog or ()) < _CROWDED // 2:
            self.held = False
            self.wire.release()
