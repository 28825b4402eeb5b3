"""python-socketio on top of the engine: namespaces, handlers and acks are the library's, the way packets take is ours.

Handlers are found where the library keeps them (`on`, `event`, `register_namespace`) and called directly. A plain
function finishes at once; a coroutine function, or a plain one that returns a coroutine because it needs I/O after
all, becomes a task from its first step. Acks of clients do not queue behind the handler that may be waiting for them.
"""

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, cast

import engineio
import socketio
from socketio.exceptions import ConnectionRefusedError as Refused

from presence_server.engine import packets
from presence_server.engine.connections import Connections, Door
from presence_server.engine.members import CONNECTED, LEAVING, LEFT, Member, Members, send
from presence_server.engine.packets import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Assembly, BadPacket, Packet
from presence_server.engine.settings import EngineSettings
from presence_server.engine.sockets import CLIENT_DISCONNECT, SERVER_DISCONNECT, Socket

log = logging.getLogger("presence_server.engine")


def _library_log() -> logging.Logger:
    """The library says at length what it does; only its complaints are of interest."""
    quiet = log.getChild("library")
    quiet.setLevel(logging.WARNING)
    return quiet


Handler = Callable[..., Any]
Pending = Coroutine[Any, Any, None] | None

NOT_HANDLED = {"ok": False, "error": {"code": "bad_request", "message": "no such event, or not with these arguments"}}


class EngineServer(engineio.AsyncServer):  # type: ignore[misc]  # the library is untyped
    """The library's view of the sessions; packets do not pass through it."""

    async def send_packet(self, sid: str, pkt: Any) -> None:
        socket = self.sockets.get(sid)
        if socket is not None:
            encoded = pkt.encode()
            socket.wire.send_binary(encoded) if isinstance(encoded, bytes) else socket.wire.send(encoded.encode())

    async def disconnect(self, sid: str | None = None) -> None:
        for socket in list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]:
            if socket is not None:
                socket.end(SERVER_DISCONNECT)
                socket.wire.close(1000, "")


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]  # the library is untyped
    """The Socket.IO server that handlers are registered at."""

    manager: Members

    def __init__(self, settings: EngineSettings, door: Door) -> None:
        super().__init__(
            client_manager=Members(),
            logger=_library_log(),
            engineio_logger=_library_log(),
            async_handlers=True,  # only call() asks: acks pass the queue, so it may wait within a handler
            async_mode="aiohttp",
            monitor_clients=False,
            ping_interval=settings.ping_interval_seconds,
            ping_timeout=settings.ping_timeout_seconds,
            max_http_buffer_size=settings.max_payload_bytes,
            transports=list(settings.transports),
            cors_allowed_origins=sorted(settings.allowed_origins),
        )
        self.connections = Connections(settings, self.eio.sockets, self, door)
        self._arities: dict[Handler, tuple[int, float]] = {}

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    # From the session

    def message(self, socket: Socket, data: str | bytes) -> None:
        """One Engine.IO message; raises BadPacket."""
        packet = self._assemble(socket, data)
        if packet is None:
            return
        if packet.kind == ACK:
            self._acknowledged(socket, packet)
        else:
            socket.submit(self._dispatch, socket, packet)

    def _assemble(self, socket: Socket, data: str | bytes) -> Packet | None:
        if isinstance(data, bytes):
            if socket.assembly is None:
                raise BadPacket("binary data that nothing announced")
            packet = socket.assembly.add(data)
            if packet is not None:
                socket.assembly = None
            return packet
        if socket.assembly is not None:
            raise BadPacket("text where an attachment was announced")
        packet = packets.decode(data)
        if packet.attachments:
            socket.assembly = Assembly(packet, self.connections.settings.max_payload_bytes)
            return None
        return packet

    def _dispatch(self, socket: Socket, packet: Packet) -> Pending:
        member = _member(socket, packet.namespace)
        if packet.kind == CONNECT:
            if self.connections.dismissed(socket):
                raise BadPacket("dismissed")
            if member is not None and member.state != LEFT:
                raise BadPacket("connected already")
            return self._connect(socket, packet)
        if member is None:
            raise BadPacket("not connected to the namespace")
        if member.state != CONNECTED:
            return None
        if packet.kind == EVENT:
            return self._event(member, packet)
        return self.left(member, CLIENT_DISCONNECT)

    # CONNECT

    def _connect(self, socket: Socket, packet: Packet) -> Pending:
        namespace = packet.namespace
        handler = self._handler(namespace, "connect")
        if handler is None and not self._known(namespace):
            send(socket, packets.encode(CONNECT_ERROR, namespace, {"message": "Invalid namespace"}), [])
            return None
        if not socket.alive:
            return None
        member = self.manager.add(socket, namespace, self.connections.sids.new())
        if handler is None:
            self._accept(member)
            return None
        arguments = (member.sid, socket.facts.environ(), packet.data)
        try:
            result = handler(*self._as_many(handler, arguments))
        except Exception as error:
            self._refuse(member, error)
            return None
        if asyncio.iscoroutine(result):
            return self._connect_later(member, result)
        self._decide(member, result)
        return None

    async def _connect_later(self, member: Member, work: Coroutine[Any, Any, Any]) -> None:
        try:
            result = await work
        except asyncio.CancelledError:
            self.manager.remove(member)
            raise
        except Exception as error:
            self._refuse(member, error)
        else:
            if self.manager.find(member.sid, member.namespace) is member:
                self._decide(member, result)

    def _decide(self, member: Member, result: Any) -> None:
        if result is False:
            self._refuse(member, Refused())
        else:
            self._accept(member)

    def _accept(self, member: Member) -> None:
        """From here on the member will hear its disconnect, even when the connection is dead by now."""
        member.state = CONNECTED
        socket = member.socket
        if socket.alive:
            self.connections.named(socket)
            self.manager.hears(member)
            send(socket, packets.encode(CONNECT, member.namespace, {"sid": member.sid}), [])

    def _refuse(self, member: Member, error: Exception) -> None:
        reason: Any = {"message": "Connection rejected by server"}
        if isinstance(error, Refused):
            reason = error.error_args
        elif not isinstance(error, ConnectionRefusedError):
            log.error("a connect handler failed", exc_info=error)
        if member.socket.alive:
            send(member.socket, *packets.encode_any(CONNECT_ERROR, member.namespace, reason))
        self.manager.remove(member)

    # EVENT and ACK

    def _event(self, member: Member, packet: Packet) -> Pending:
        name, *arguments = packet.data
        handler = self._handler(member.namespace, name)
        least, most = self._arity(handler) if handler is not None else (1, 0)
        if handler is None or not least <= len(arguments) + 1 <= most:
            self._reply(member, packet.id, NOT_HANDLED)
            return None
        result = handler(member.sid, *arguments)
        if asyncio.iscoroutine(result):
            return self._event_later(member, packet.id, result)
        self._reply(member, packet.id, result)
        return None

    async def _event_later(self, member: Member, ack_id: int | None, work: Coroutine[Any, Any, Any]) -> None:
        self._reply(member, ack_id, await work)

    def _reply(self, member: Member, ack_id: int | None, result: Any) -> None:
        if ack_id is None or not member.socket.alive:
            return
        data = list(result) if isinstance(result, tuple) else [] if result is None else [result]
        send(member.socket, *packets.encode_any(ACK, member.namespace, data, ack_id))

    def _acknowledged(self, socket: Socket, packet: Packet) -> None:
        member = _member(socket, packet.namespace)
        if member is None:
            raise BadPacket("not connected to the namespace")
        callback = self.manager.callbacks.get(member.sid, {}).pop(packet.id, None) if packet.id else None
        if callback is None:
            return
        try:
            result = copy_context().run(callback, *packet.data)
        except TypeError:
            log.debug("an ack that does not fit its callback")
            return
        if asyncio.iscoroutine(result):
            self.connections.start_task(result)

    # Leaving

    def ended(self, socket: Socket) -> None:
        """The session is dead from now on; its namespaces are left one by one, as soon as may be."""
        for member in socket.members:
            self.manager.deafened(member)

    def moved(self, socket: Socket) -> None:
        """Another wire carries the session."""
        for member in socket.members:
            if member.connected:
                self.manager.hears(member)

    def left(self, member: Member, reason: str) -> Pending:
        """Tell the handler that the member is gone, once, and forget it."""
        if member.state == CONNECTED:
            member.state = LEAVING
            self.manager.deafened(member)
        elif member.state not in (LEAVING, LEFT):
            self.manager.remove(member)
            return None
        if self.manager.find(member.sid, member.namespace) is not member:
            return None
        handler = self._handler(member.namespace, "disconnect")
        result = None
        try:
            if handler is not None:
                result = handler(*self._as_many(handler, (member.sid, reason)))
        except Exception:
            log.exception("a disconnect handler failed")
        if asyncio.iscoroutine(result):
            return self._left_later(member, result)
        self._forget(member)
        return None

    async def _left_later(self, member: Member, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        finally:
            self._forget(member)

    def _forget(self, member: Member) -> None:
        self.manager.remove(member)
        socket = member.socket
        if socket.alive and not any(other.state == CONNECTED for other in socket.members):
            self.connections.unnamed(socket)

    def drop(self, sid: str, namespace: str = packets.ROOT) -> None:
        """Make a client leave a namespace: it is told, and its disconnect handler runs behind what is in flight."""
        member = self.manager.find(sid, namespace)
        if member is None or not member.connected:
            return
        member.state = LEFT
        self.manager.deafened(member)
        send(member.socket, packets.encode(DISCONNECT, namespace), [])
        socket = member.socket
        socket.submit(self.left, member, SERVER_DISCONNECT)
        if all(other.state in (LEAVING, LEFT) for other in socket.members):
            self.connections.dismiss(socket)

    def expel(self, socket: Socket) -> None:
        """Make a client leave all its namespaces, and close its connection."""
        for member in socket.members:
            self.drop(member.sid, member.namespace)
        self.connections.dismiss(socket)

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        self.drop(sid, namespace or packets.ROOT)

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        member = self.manager.find(sid, namespace or packets.ROOT)
        return member.socket.facts.environ() if member is not None else None

    # Handlers

    def _known(self, namespace: str) -> bool:
        return (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or self.namespaces == "*"
            or namespace in self.namespaces
        )

    def _handler(self, namespace: str, event: Any) -> Handler | None:
        if not isinstance(event, str):
            return None
        handler, extra = self._get_event_handler(event, namespace, ())
        if handler is not None:
            return functools.partial(handler, *extra) if extra else cast("Handler", handler)
        owner = self.namespace_handlers.get(namespace)
        if owner is None:
            return None
        if type(owner).trigger_event is not socketio.AsyncNamespace.trigger_event:
            return functools.partial(owner.trigger_event, event)
        return getattr(owner, "on_" + event, None)

    def _as_many(self, handler: Handler, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Older signatures take fewer: a connect without auth, a disconnect without reason."""
        most = self._arity(handler)[1]
        return arguments if most >= len(arguments) else arguments[: int(most)]

    def _arity(self, handler: Handler) -> tuple[int, float]:
        """The least and the most positional arguments the handler takes."""
        if isinstance(handler, functools.partial):
            least, most = self._arity(handler.func)
            given = len(handler.args)
            return max(0, least - given), most - given
        found = self._arities.get(handler)
        if found is None:
            found = self._arities[handler] = _count(handler)
        return found


def _count(handler: Handler) -> tuple[int, float]:
    least, most = 0, 0.0
    for parameter in inspect.signature(handler).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            most = float("inf")
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            most += 1
            least += parameter.default is parameter.empty
    return least, most


def _member(socket: Socket, namespace: str) -> Member | None:
    for member in socket.members:
        if member.namespace == namespace:
            return member
    return None
