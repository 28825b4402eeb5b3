"""One websocket: frames between a transport and whoever owns it.

No queue, no reader, no writer: what arrives is handled as it arrives, what is sent goes straight to the transport. A
peer that does not read is bounded: over the high-water mark nothing more is read from it and newest-wins packets are
kept by topic instead of being written; if it stays there, it is dropped.
"""

import asyncio
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from presence_server.engine import frames
from presence_server.engine.straight import write_all

if TYPE_CHECKING:
    from presence_server.engine.connections import Connections


class Owner(Protocol):
    """Who hears what a websocket says: a session, or the probe of an upgrade."""

    def receive(self, packet: str | bytes) -> None:
        """Take one message."""

    def end(self, reason: str) -> None:
        """The websocket is gone."""


def _plain(transport: asyncio.Transport) -> int:
    """The descriptor of a connection that carries frames as they are; -1 where they must be encrypted first."""
    socket = transport.get_extra_info("socket")
    encrypted = transport.get_extra_info("sslcontext") is not None
    return -1 if encrypted or socket is None else int(socket.fileno())


class WebSocket(asyncio.Protocol):
    """A server's end of a websocket; a session's wire. `slow` while the peer has too much unread.

    `descriptor` is -1 unless a frame may be handed straight to the system: nothing waits in the transport before it,
    nothing has been said that nothing may follow, and the connection is not lost, so that the number is still its own.
    """

    name: ClassVar[str] = "websocket"

    __slots__ = (
        "_connections",
        "_held",
        "_missed",
        "_over",
        "_plain",
        "_reader",
        "descriptor",
        "owner",
        "slow",
        "transport",
    )

    def __init__(self, connections: "Connections", transport: asyncio.Transport) -> None:
        self._connections = connections
        self.transport = transport
        self.owner: Owner | None = None
        self.slow = False
        self._held = False
        self._over = False
        self._missed: dict[str, bytes] | None = None
        self.descriptor = -1
        self._plain = _plain(transport)
        self._reader = frames.MessageReader(connections.settings.max_payload_bytes)
        connections.websockets.add(self)

    # What the loop tells us

    def data_received(self, data: bytes) -> None:
        try:
            text = None if self._held else self._reader.only(data)
        except frames.ProtocolError as error:
            self._fail(error)
            return
        if text is None:
            self._reader.feed(data)
            self._read()
        elif not self._over and self.owner is not None:
            self.owner.receive(text)

    def pause_writing(self) -> None:
        self.slow = True
        self._connections.slow.start(self, self._connections.now())
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.slow = False
        self._connections.slow.stop(self)
        missed, self._missed = self._missed, None
        for frame in (missed or {}).values():
            self.transport.write(frame)
        if not self._held:
            self._resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.lost(self)
        self._silence()
        self._let_go("transport close" if exc is None else "transport error")

    def _let_go(self, reason: str) -> None:
        """The owner hears of the end, once: it may have another websocket by the time this one is gone."""
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.end(reason)

    # Reading

    def _read(self) -> None:
        try:
            while not self._held and (message := self._reader.next()) is not None:
                self._handle(*message)
        except frames.ProtocolError as error:
            self._fail(error)

    def _handle(self, opcode: int, payload: str | bytes) -> None:
        if opcode in (frames.TEXT, frames.BINARY):
            if not self._over and self.owner is not None:
                self.owner.receive(payload)
        elif opcode == frames.PING:
            self.write(frames.frame(frames.PONG, cast("bytes", payload)))
        elif opcode == frames.CLOSE:
            self._peer_closed(cast("bytes", payload))

    def _peer_closed(self, payload: bytes) -> None:
        if not self._over:
            code = frames.closing_code(payload)
            self._last_words(frames.frame(frames.CLOSE, b"") if code is None else frames.close_frame(code))
        self._hang_up()
        self._let_go("transport close")

    def _fail(self, error: frames.ProtocolError) -> None:
        self.refuse(error.code, str(error))
        self._let_go("transport error")

    def _hang_up(self) -> None:
        """Nothing more is to be read; what is written may leave, for as long as a close may take."""
        self._held = True
        self._connections.closing.start(self, self._connections.now())
        self.transport.close()

    # A session's wire

    def send(self, packet: bytes) -> None:
        self.write(frames.frame(frames.TEXT, packet))

    def send_binary(self, data: bytes) -> None:
        self.write(frames.frame(frames.BINARY, data))

    def deliver(self, packet: bytes, frame: bytes, topic: str | None) -> None:
        if topic is None or not self.slow:
            self.write(frame)
        elif not self._over:
            if self._missed is None:
                self._missed = {}
            self._missed[topic] = frame

    def write(self, frame: bytes) -> None:
        """Send a frame that nothing supersedes: a peer that lets too many of them pile up is dropped."""
        if self.descriptor >= 0 or self._may_go_straight():
            behind = write_all((self,), frame)
            if not behind:
                return
            self.descriptor = -1
            frame = frame[behind[0][1] :]
        if not self._over:
            self.transport.write(frame)
            if self.slow and self.transport.get_write_buffer_size() > self._connections.settings.write_limit_bytes:
                self.abort()

    def _may_go_straight(self) -> bool:
        if self._plain >= 0 and not self._over:
            transport = self.transport
            if not transport.is_closing() and not transport.get_write_buffer_size():
                self.descriptor = self._plain
        return self.descriptor >= 0

    def _last_words(self, frame: bytes) -> None:
        """Send a closing frame; nothing may follow it."""
        self._silence()
        self.transport.write(frame)

    def _silence(self) -> None:
        self._over = True
        self._missed = None
        self.descriptor = -1

    def hold(self) -> None:
        self._held = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def release(self) -> None:
        self._held = False
        self._read()
        if not self.slow:
            self._resume()

    def _resume(self) -> None:
        if not self._held and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and wait for the peer's answer; cut the connection when it takes too long."""
        if self._over:
            return
        self._last_words(frames.close_frame(code, reason))
        self._connections.closing.start(self, self._connections.now())

    def refuse(self, code: int, reason: str) -> None:
        """Say what the peer did wrong and hang up."""
        if not self._over:
            self._last_words(frames.close_frame(code, reason))
        self._hang_up()

    def abort(self) -> None:
        self._silence()
        self.transport.abort()
