"""Long polling: a session's wire that keeps packets until they are fetched.

Only the wire; the HTTP around it is `http_routes`. Bounded: a client that does not fetch is dropped once too much
waits.
"""

import asyncio
from typing import ClassVar

from presence_server.engine.frames import GOING_AWAY, NORMAL
from presence_server.engine.sockets import TRANSPORT_ERROR, Socket

NOOP, CLOSE = "6", "1"


class PollingWire:
    """The packets that wait for the next poll, and the poll that waits for packets."""

    name: ClassVar[str] = "polling"
    descriptor = -1

    __slots__ = ("_held", "_limit", "_pending", "_size", "_suspended", "_waiter", "final", "posting", "socket")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: dict[object, str | bytes] = {}
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._held: asyncio.Future[None] | None = None
        self._suspended = False
        self.posting = False
        self.final: str | None = None
        self.socket: Socket | None = None

    # A session's wire

    def send(self, packet: bytes) -> None:
        self._add(object(), packet.decode())

    def send_binary(self, data: bytes) -> None:
        self._add(object(), data)

    def deliver(self, packet: bytes, frame: bytes, topic: str | None) -> None:
        if topic is not None:
            self._size -= len(self._pending.pop(topic, ""))
        self._add(topic or object(), packet.decode())

    def hold(self) -> None:
        self._held = asyncio.get_running_loop().create_future()

    def release(self) -> None:
        held, self._held = self._held, None
        if held is not None and not held.done():
            held.set_result(None)

    def close(self, code: int, reason: str) -> None:
        """Let the waiting poll go: with a CLOSE where the client shall stay away, else with a NOOP.

        After a CLOSE some clients do not come back, for they take it as a farewell; a refused poll is a loss to all.
        """
        self._finish(NOOP if code in (NORMAL, GOING_AWAY) else CLOSE)

    def refuse(self, code: int, reason: str) -> None:
        self._finish(CLOSE)

    def abort(self) -> None:
        self._finish(CLOSE)

    def _finish(self, final: str) -> None:
        if self.final is None:
            self.final = final
        self.socket = None
        self.release()
        self._wake()

    # The poll

    @property
    def polled(self) -> bool:
        return self._waiter is not None

    async def packets(self) -> list[str | bytes]:
        """What the client is to be told next; waits for something to tell."""
        if not self._pending and self.final is None and not self._suspended:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        found = self._take()
        if self.final is not None:
            found.append(self.final)
        return found or [NOOP]

    async def uncrowded(self) -> None:
        """Wait until the session takes packets again."""
        if self._held is not None:
            await self._held

    # The upgrade

    def suspend(self) -> None:
        """An upgrade is under way: polls are answered at once, so that the client can stop polling."""
        self._suspended = True
        self._wake()

    def resume(self) -> None:
        self._suspended = False

    def retire(self) -> list[str | bytes]:
        """The session has a better wire: what waited here, for it to send."""
        found = self._take()
        self._finish(NOOP)
        return found

    def _add(self, key: object, packet: str | bytes) -> None:
        if self.final is not None:
            return
        self._pending[key] = packet
        self._size += len(packet)
        if self._size > self._limit:
            self._overflow()
        else:
            self._wake()

    def _overflow(self) -> None:
        socket = self.socket
        self._take()
        self.abort()
        if socket is not None:
            # Not now: somebody is sending, and no handler may send in the midst of that.
            asyncio.get_running_loop().call_soon(_drop, socket)

    def _take(self) -> list[str | bytes]:
        found = list(self._pending.values())
        self._pending.clear()
        self._size = 0
        return found

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _drop(socket: Socket) -> None:
    """End a session that does not fetch, whatever carries it by now."""
    socket.end(TRANSPORT_ERROR)
    socket.wire.abort()
