"""Thousands of viewers in one process: as little as a socket needs to join a room and to know what it was told."""

import asyncio
import random

import orjson

_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Visitor(asyncio.Protocol):
    """One socket in at most one room. `said` is the newest thing it was told of it, an answer or an update."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.said: dict = {}
        self.is_lost = False
        self._ready = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[dict] | None = None
        self._bytes = b""
        self._is_websocket = False

    @classmethod
    async def come(cls, url: str, room: str) -> "Visitor":
        """Connect and join."""
        host, _, port = url.removeprefix("http://").rpartition(":")
        _, visitor = await asyncio.get_running_loop().create_connection(lambda: cls(room), host, int(port))
        async with asyncio.timeout(30):
            await visitor._ready
            visitor._answer = asyncio.get_running_loop().create_future()
            visitor._send(b'420["join",' + orjson.dumps({"room": room}) + b"]")
            await visitor._answer
        return visitor

    def go(self) -> None:
        self._transport.abort()

    def connection_made(self, transport) -> None:
        self._transport = transport
        transport.write(_UPGRADE)

    def connection_lost(self, error) -> None:
        self.is_lost = True

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        if not self._is_websocket:
            head, found, rest = self._bytes.partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self._bytes, self._is_websocket = rest, True
        while (text := self._next()) is not None:
            self._take(text)

    def _next(self) -> bytes | None:
        """The next whole frame's text; the server masks nothing and sends these in one piece."""
        if len(self._bytes) < 2:
            return None
        start, length = 2, self._bytes[1]
        if length == 126:
            start, length = 4, int.from_bytes(self._bytes[2:4])
        if len(self._bytes) < start + length:
            return None
        text, self._bytes = self._bytes[start : start + length], self._bytes[start + length :]
        return text

    def _take(self, text: bytes) -> None:
        if text.startswith(b"0"):
            self._send(b"40")
        elif text == b"2":
            self._send(b"3")
        elif text.startswith(b"40"):
            self._ready.set_result(None)
        elif text.startswith(b'42["viewerCountUpdate"'):
            self._newest(orjson.loads(text[2:])[2])
        elif text.startswith(b"430"):
            [answer] = orjson.loads(text[3:])
            assert answer["ok"], answer
            self._newest(answer)
            self._answer.set_result(answer)

    def _newest(self, said: dict) -> None:
        if said["seq"] >= self.said.get("seq", 0):
            self.said = said

    def _send(self, text: bytes) -> None:
        head = bytes((0x81, 0x80 | len(text))) if len(text) < 126 else b"\x81\xfe" + len(text).to_bytes(2)
        self._transport.write(head + b"\0\0\0\0" + text)


class Crowd:
    """Visitors of several nodes and rooms: the truth that every one of them has to be told."""

    def __init__(self, urls: list[str], rooms: list[str], seed: int = 1) -> None:
        self.urls = urls
        self.rooms = rooms
        self.dice = random.Random(seed)
        self.here: dict[str, list[Visitor]] = {url: [] for url in urls}

    async def come(self, count: int, url: str | None = None) -> None:
        for start in range(0, count, 100):
            some = [url or self.dice.choice(self.urls) for _ in range(min(100, count - start))]
            visitors = await asyncio.gather(*(Visitor.come(one, self.dice.choice(self.rooms)) for one in some))
            for one, visitor in zip(some, visitors, strict=True):
                self.here[one].append(visitor)

    def go(self, count: int) -> None:
        for _ in range(count):
            visitors = self.here[self.dice.choice(self.urls)]
            if visitors:
                visitors.pop(self.dice.randrange(len(visitors))).go()

    async def churn(self, seconds: float, step: int = 20) -> None:
        """Some leave and as many come, again and again."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            self.go(step)
            await self.come(step)
            await asyncio.sleep(0.05)

    def everybody(self) -> list[Visitor]:
        return [visitor for visitors in self.here.values() for visitor in visitors]

    def truth(self) -> dict[str, int]:
        counts = dict.fromkeys(self.rooms, 0)
        for visitor in self.everybody():
            counts[visitor.room] += 1
        return counts

    def wrong(self) -> list[tuple[str, int, dict]]:
        """Who was told something else than the truth, or that it may be less than that."""
        truth = self.truth()
        return [
            (visitor.room, truth[visitor.room], visitor.said)
            for visitor in self.everybody()
            if visitor.said["viewerCount"] != truth[visitor.room] or "degraded" in visitor.said
        ]

    async def knows(self, seconds: float) -> float:
        """Wait until everybody was told the truth; after how many seconds that was."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while wrong := self.wrong():
            assert loop.time() - started < seconds, f"{len(wrong)} of {len(self.everybody())} wrong: {wrong[:3]}"
            await asyncio.sleep(0.05)
        return loop.time() - started

    def end(self) -> None:
        for visitor in self.everybody():
            visitor.go()
