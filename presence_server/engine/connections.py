"""Every accepted connection and session until it is gone: deadlines, heartbeats, sessions by id, drain.

Owns who is here and what they are late with; the clock is the loop's monotonic one, read by one ticker. What a
connection says is not its business (`websocket`, `polling`), nor what a session means (`server`).
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from presence_server.engine import frames
from presence_server.engine.deadlines import Deadlines
from presence_server.engine.heartbeats import Heartbeats
from presence_server.engine.requests import Facts
from presence_server.engine.settings import EngineSettings
from presence_server.engine.sids import Sids
from presence_server.engine.sockets import PING_TIMEOUT, SERVER_DISCONNECT, TRANSPORT_ERROR, Socket, Wire
from presence_server.engine.straight import write_all

if TYPE_CHECKING:
    from presence_server.engine.front import Front
    from presence_server.engine.members import Member
    from presence_server.engine.upgrade import Probe
    from presence_server.engine.websocket import WebSocket

log = logging.getLogger("presence_server.engine")

GOING_AWAY, POLICY = 1001, 1008
_SLICE, _SLICE_SECONDS = 50, 0.1
_PING = b"2"
_PING_FRAME = frames.frame(frames.TEXT, _PING)


class Application(Protocol):
    """What a session's messages are handed to."""

    def message(self, socket: Socket, data: str | bytes) -> None:
        """Take one message; raises BadPacket, at once or in the session's queue."""

    def ended(self, socket: Socket) -> None:
        """The session is dead from now on; its namespaces are left one by one, as soon as may be."""

    def moved(self, socket: Socket) -> None:
        """Another wire carries the session."""

    def left(self, member: "Member", reason: str) -> Coroutine[Any, Any, None] | None:
        """One of the session's namespaces is left."""


class Door(Protocol):
    """Who may open a session at all; hears of each one's beginning and end."""

    def enter(self, connection: str, facts: Facts) -> bool:
        """Count a session in; False, and nothing counted, where it may not be opened."""

    def leave(self, connection: str) -> None:
        """A session that was counted in has ended."""


class OpenDoor:
    """Everybody may come in."""

    def enter(self, connection: str, facts: Facts) -> bool:
        return True

    def leave(self, connection: str) -> None:
        pass


class Connections:
    """The registry. `sockets` holds the sessions that are alive, by Engine.IO sid."""

    def __init__(
        self, settings: EngineSettings, sockets: dict[str, Socket], application: Application, door: Door
    ) -> None:
        self.settings = settings
        self.sockets = sockets
        self.application = application
        self.door = door
        self.sids = Sids()
        self.draining = False
        self.websockets: set[WebSocket] = set()
        self.heads: Deadlines[Front] = Deadlines(settings.head_seconds)
        self.probes: Deadlines[Probe] = Deadlines(settings.upgrade_seconds)
        self.closing: Deadlines[WebSocket] = Deadlines(settings.close_seconds)
        self.slow: Deadlines[WebSocket] = Deadlines(settings.slow_seconds)
        self._unnamed: Deadlines[Socket] = Deadlines(settings.connect_seconds)
        self._dismissed: Deadlines[Socket] = Deadlines(settings.close_seconds)
        self._heartbeats: Heartbeats[Socket] = Heartbeats(settings.ping_interval_seconds, settings.ping_timeout_seconds)
        self._lingering: Deadlines[Socket] = Deadlines(settings.handler_seconds)
        self._cancelled: Deadlines[Socket] = Deadlines(settings.handler_seconds)
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._ticker: asyncio.TimerHandle | None = None
        self._ticked_at = 0.0
        self._spared = False
        self._loop: asyncio.AbstractEventLoop

    # The ticker

    def start(self) -> None:
        """Begin to watch the clock of the running loop."""
        self._loop = asyncio.get_running_loop()
        self._ticked_at = self._loop.time()
        self._schedule()

    def _schedule(self) -> None:
        self._ticker = self._loop.call_later(self.settings.tick_seconds, self._on_tick)

    def _on_tick(self) -> None:
        try:
            self.tick(self.now())
        except Exception:
            log.exception("the ticker failed")
        self._schedule()

    def now(self) -> float:
        """Monotonic seconds."""
        return self._loop.time()

    def tick(self, now: float) -> None:
        """Act on everything that has fallen due by `now`.

        After the process stood still, answers may wait unread in the system: one round is given to reading them, but
        never two in a row, or a process that is always late would drop nobody.
        """
        stood_still = now - self._ticked_at > self.settings.tick_seconds + 1.0
        self._ticked_at = now
        self._spared = stood_still and not self._spared
        if self._spared:
            return
        self._expire_heartbeats(now)
        for front in self.heads.due(now):
            front.abort()
        for probe in self.probes.due(now):
            probe.abort()
        for websocket in self.closing.due(now) + self.slow.due(now):
            websocket.abort()
        for socket in self._unnamed.due(now):
            socket.end(TRANSPORT_ERROR)
            socket.wire.refuse(1008, "no CONNECT")
        for socket in self._dismissed.due(now):
            socket.end(SERVER_DISCONNECT)
            socket.wire.abort()
        for socket in self._lingering.due(now):
            socket.cancel()
            self._cancelled.start(socket, now)
        for socket in self._cancelled.due(now):
            socket.abandon()

    def _expire_heartbeats(self, now: float) -> None:
        pinged, silent = self._heartbeats.look(now)
        for wire, sent in write_all([socket.wire for socket in pinged], _PING_FRAME):
            wire.deliver(_PING, _PING_FRAME[sent:], None)
        for socket in silent:
            log.debug("ping timeout of %s", socket.facts.address)
            socket.end(PING_TIMEOUT)
            socket.wire.abort()

    # Sessions

    def open(self, sid: str, facts: Facts, wire: Wire) -> Socket:
        """A new session, alive and with its heartbeat running."""
        socket = Socket(self, sid, facts, wire)
        self.sockets[sid] = socket
        now = self.now()
        self._heartbeats.add(socket, now)
        self._unnamed.start(socket, now)
        return socket

    def named(self, socket: Socket) -> None:
        """The session has joined a namespace."""
        self._unnamed.stop(socket)

    def unnamed(self, socket: Socket) -> None:
        """The session has left its last namespace: it joins another one in time, or goes."""
        self._unnamed.start(socket, self.now())

    def dismiss(self, socket: Socket) -> None:
        """Close politely behind what was just sent; a client that stays is cut off when its time is over."""
        if socket.alive and socket not in self._dismissed:
            self._dismissed.start(socket, self.now())
            socket.wire.close(POLICY, "dismissed")

    def dismissed(self, socket: Socket) -> bool:
        return socket in self._dismissed

    def ended(self, socket: Socket) -> None:
        """The session is dead: nothing of it falls due any more, except what is in flight."""
        self.sockets.pop(socket.sid, None)
        self._heartbeats.remove(socket)
        self._unnamed.stop(socket)
        self._dismissed.stop(socket)
        self.door.leave(socket.sid)
        if socket.waits:
            self.linger(socket)

    def linger(self, socket: Socket) -> None:
        """A dead session has a task in flight: give it its time, then cancel it."""
        if socket not in self._lingering and socket not in self._cancelled:
            self._lingering.start(socket, self.now())

    def settled(self, socket: Socket) -> None:
        self._lingering.stop(socket)
        self._cancelled.stop(socket)

    def start_task(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> asyncio.Task[None]:
        """A task that is held until it is done."""
        task = self._loop.create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    def lost(self, websocket: "WebSocket") -> None:
        """A websocket's connection is gone."""
        self.websockets.discard(websocket)
        self.closing.stop(websocket)
        self.slow.stop(websocket)
        if self.draining:
            self._changed.set()

    # The end

    async def drain(self, sockets_per_second: float) -> None:
        """Close every websocket and session, some at a time, without a Socket.IO DISCONNECT: clients come back."""
        self.draining = True
        pause = _SLICE / sockets_per_second
        for front in self.heads.items():
            front.refuse()
        waiting = list(self.sockets.values())
        for start in range(0, len(waiting), _SLICE):
            for socket in waiting[start : start + _SLICE]:
                socket.end("server shutdown")
                socket.wire.close(GOING_AWAY, "server shutdown")
            await asyncio.sleep(min(pause, _SLICE_SECONDS * _SLICE))
        for websocket in list(self.websockets):
            websocket.close(GOING_AWAY, "server shutdown")

    async def stop(self) -> None:
        """Wait for what is still open or in flight, no longer than their deadlines, then stop the clock."""
        settings = self.settings
        patience = settings.close_seconds + 2 * settings.handler_seconds + 2 * settings.tick_seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self.websockets or self._tasks:
                    self._changed.clear()
                    await self._changed.wait()
        for websocket in list(self.websockets):
            websocket.abort()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
