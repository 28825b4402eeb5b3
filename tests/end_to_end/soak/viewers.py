"""Very many viewers in one process: each a bare WebSocket that joins one room, answers pings and goes in some way."""

import asyncio
import random

MASK = b"\x00\x00\x00\x00"
"""Masks nothing and is still a mask."""
UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Viewer(asyncio.Protocol):
    """`joined` is done when the server has counted it; `lost` when the connection is gone."""

    def __init__(self, room: str) -> None:
        loop = asyncio.get_running_loop()
        self.room = room
        self.joined: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._upgraded = False
        self._silent = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.write(UPGRADE.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.joined.done():
            self.joined.set_exception(ConnectionError(f"the connection ended before its join: {exc}"))
        self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            self._upgraded = True
        while (message := self._take()) is not None:
            self._heard(message)

    def _take(self) -> bytes | None:
        """The payload of the next whole frame; none of the server's is longer than 64 KiB."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, length = (4, int.from_bytes(buffer[2:4], "big")) if buffer[1] == 126 else (2, buffer[1])
        if len(buffer) < start + length or (start == 4 and len(buffer) < 4):
            return None
        self._buffer = buffer[start + length :]
        return buffer[start : start + length]

    def _heard(self, message: bytes) -> None:
        if message.startswith(b"0"):
            self._say(b"40")
        elif message.startswith(b"40"):
            self._say(b'420["join",{"room":"%s"}]' % self.room.encode())
        elif message.startswith(b"430"):
            self.joined.set_result(None)
        elif message == b"2" and not self._silent:
            self._say(b"3")

    def _say(self, text: bytes) -> None:
        assert self._transport is not None
        self._transport.write(bytes((0x81, 0x80 | len(text))) + MASK + text)

    def go(self, way: str) -> None:
        """`leave` says so, `close` only closes, `reset` does not even do that, `silence` stays and says nothing."""
        assert self._transport is not None
        if way == "silence":
            self._silent = True
        elif way == "reset":
            self._transport.abort()
        else:
            if way == "leave":
                self._say(b"41")
            self._transport.close()


class Crowd:
    """Viewers of some rooms on one server: `here` are those that should be counted."""

    def __init__(self, port: int, rooms: int, seed: int) -> None:
        self._port = port
        self._rooms = rooms
        self._random = random.Random(seed)
        self.here: list[Viewer] = []
        self.silent: list[Viewer] = []

    async def enter(self) -> None:
        """One more viewer, in a random room."""
        room = f"auction:soak-{self._random.randrange(self._rooms)}"
        loop = asyncio.get_running_loop()
        _, viewer = await loop.create_connection(lambda: Viewer(room), "127.0.0.1", self._port)
        await viewer.joined
        self.here.append(viewer)

    async def replace(self) -> None:
        """A random viewer goes, in a random way, and another one comes."""
        viewer = self.here.pop(self._random.randrange(len(self.here)))
        [way] = self._random.choices(("leave", "close", "reset", "silence"), (6, 6, 7, 1))
        viewer.go(way)
        self.silent = [one for one in self.silent if not one.lost.done()]
        if way == "silence":
            self.silent.append(viewer)
        await self.enter()

    def counts(self) -> dict[str, int]:
        """The truth, by room."""
        found: dict[str, int] = {}
        for viewer in self.here:
            found[viewer.room] = found.get(viewer.room, 0) + 1
        return found

    def lost(self) -> int:
        """How many the server has let go that did not want to."""
        return sum(viewer.lost.done() for viewer in self.here)

    async def leave(self) -> None:
        for viewer in self.here + self.silent:
            viewer.go("close")
        await asyncio.gather(*(viewer.lost for viewer in self.here + self.silent))
        self.here.clear()
