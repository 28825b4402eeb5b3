"""Whole frames, each in its order, on every stream: whoever falls behind, fills up, ends or speaks up in the midst."""

import asyncio
import contextlib
import socket

import aiohttp
import orjson
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from presence_server.engine import frames
from tests.presence_server.engine.support import UPGRADE, ours

BIG = 40_000
SIZES = {"write_high_bytes": BIG // 2, "write_limit_bytes": 5 * BIG // 2}

LOOPS = pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])

index = st.integers(0, 7)
steps = st.one_of(
    st.tuples(st.just("tell"), st.sampled_from([0, 1_000, BIG]), st.sampled_from([None, None, "a", "b"])),
    st.tuples(st.just("tell"), st.just(BIG), st.none()),
    st.tuples(st.just("catch up")),
    st.tuples(st.just("read"), index),
    st.tuples(st.just("reset"), index),
    st.tuples(st.just("expel"), index),
    st.tuples(st.just("beat")),
    st.tuples(st.just("turn")),
)


def whole_frames(data):
    """The frames in a stream's bytes, and what is left behind the last one."""
    found = []
    while len(data) >= 2:
        first, length, head = data[0], data[1], 2
        if length >= 126:
            head = 4 if length == 126 else 10
            length = int.from_bytes(data[2:head], "big")
        if len(data) < head + length:
            break
        assert first in (0x80 | frames.TEXT, 0x80 | frames.CLOSE), f"no frame begins with {bytes(data[:20])}"
        found.append((first & 15, bytes(data[head : head + length])))
        data = data[head + length :]
    return found, data


class Reader:
    """A websocket client that reads when it is told to, and answers the pings it has read."""

    def __init__(self):
        self.sid, self.got, self.told = "", bytearray(), 0
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.setblocking(False)

    async def enter(self, world):
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", world.run.port))
        head = UPGRADE.format(target=world.run.target("EIO=4&transport=websocket"), key="0" * 22 + "==", more="")
        known = set(world.run.server.connections.websockets)
        await loop.sock_sendall(self._socket, head.encode() + b"\x81\x82\0\0\0\x0040")
        while b'40{"sid":"' not in self.got or not self.got.endswith(b"}"):
            await asyncio.sleep(0.001)
            self.read()
        (websocket,) = world.run.server.connections.websockets - known
        websocket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.sid = self.got.split(b'40{"sid":"')[1].split(b'"')[0].decode()
        self.got = self.got[self.got.index(b"\r\n\r\n") + 4 :]

    def read(self):
        with contextlib.suppress(OSError):
            while data := self._socket.recv(1 << 20):
                self.got += data
                self._socket.send(b"\x81\x81\0\0\0\x003" * data.count(b"\x81\x012"))

    def reset(self):
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()

    async def packets(self, *, survived):
        found, rest = whole_frames(self.got)
        assert not rest or not survived, f"a frame is not whole: {bytes(rest[:20])}"
        assert [opcode for opcode, _ in found[:-1]] == [frames.TEXT] * len(found[:-1]), f"after a farewell: {found[-1]}"
        return [payload.decode() for opcode, payload in found if opcode == frames.TEXT]


class Poller:
    """A client that polls only once, at the end."""

    def __init__(self):
        self.sid, self.told = "", 0

    async def enter(self, world):
        self._http = world.http
        async with self._http.get(world.run.polling()) as answer:
            self._url = world.run.polling(orjson.loads((await answer.text())[1:])["sid"])
        async with self._http.post(self._url, data="40"):
            self.sid = orjson.loads((await self._poll()).removeprefix("40"))["sid"]

    async def _poll(self):
        async with self._http.get(self._url) as answer:
            return await answer.text()

    def read(self):
        pass

    def reset(self):
        pass

    async def packets(self, *, survived):
        return (await self._poll()).split("\x1e") if survived else []


class World:
    """Clients of one engine. Whoever leaves is talked about: every other client reads, then hears of it."""

    def __init__(self, run, http, clients, farewell):
        self.run, self.http, self.clients, self._farewell = run, http, clients, farewell
        self._number, self._seconds, self._ended = 0, 0.0, 0
        self.last = {}
        run.server.on("disconnect", self._left)

    def _left(self, sid, reason):
        self._ended += 1
        for client in self.clients:
            client.read()
        if self._farewell == "expel" and self._ended == 1:
            self._expel(0)
        self.tell(BIG if self._farewell == "much" else 1, None)

    def tell(self, size, topic):
        self._number += 1
        self.last[topic] = self._number
        self.run.tell([c.sid for c in self.clients], topic or "n", self._number, "x" * size, topic=topic)

    def _expel(self, number):
        self.run.server.drop(self.clients[number % len(self.clients)].sid)

    async def act(self, what, *details):
        match what, details:
            case "tell", [size, topic]:
                self.tell(size, topic)
            case "read" | "reset", [number]:
                getattr(self.clients[number % len(self.clients)], what)()
            case "expel", [number]:
                self._expel(number)
            case "beat", []:
                self._seconds += 25.1
                connections = self.run.server.connections
                for _ in range(2):  # the first one takes the leap for a pause of the process
                    connections.tick(connections.now() + self._seconds)
            case "catch up", []:
                await self.catch_up()
            case "turn", []:
                await asyncio.sleep(0.001)

    def is_in(self, client):
        return self.run.server.manager.is_connected(client.sid, "/")

    async def catch_up(self):
        """Everybody reads, until nothing waits any more."""
        async with asyncio.timeout(30):
            while any(w.transport.get_write_buffer_size() for w in self.run.server.connections.websockets):
                for client in self.clients:
                    client.read()
                await asyncio.sleep(0.001)
        for client in self.clients:
            client.read()

    async def check(self):
        for client in self.clients:
            survived = self.is_in(client)
            packets = await client.packets(survived=survived)
            events = [orjson.loads(packet[2:]) for packet in packets if packet.startswith("42")]
            for topic in (None, "a", "b"):
                numbers = [number for name, number, _ in events if name == (topic or "n")]
                assert numbers == sorted(set(numbers)), "each once, in its order"
                assert not survived or numbers[-1:] == ([self.last[topic]] if topic in self.last else [])


async def play(kinds, story, farewell):
    async with ours(close_seconds=0.05, **SIZES) as run, aiohttp.ClientSession() as http:
        world = World(run, http, [Poller() if kind == "polling" else Reader() for kind in kinds], farewell)
        for client in world.clients:
            await client.enter(world)
        for step in story:
            await world.act(*step)
        world.tell(1, None)
        for _ in range(3):  # what falls due now may say something more
            await asyncio.sleep(0.001)
            await world.catch_up()
        await world.check()
        for client in world.clients:
            client.reset()


@LOOPS
@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["websocket", "polling"]), min_size=2, max_size=5),
    st.lists(steps, max_size=25),
    st.sampled_from(["little", "much", "expel"]),
)
def test_every_stream_is_whole_frames_in_order(run, kinds, story, farewell):
    """Small buffers, clients that do not fetch, and handlers that speak to everybody whenever one of them goes."""
    run(play(kinds, story, farewell))


@LOOPS
@pytest.mark.parametrize("kinds", [["polling", "websocket"], ["websocket", "polling"]])
def test_a_client_that_fills_up_ends_behind_what_is_being_sent(run, kinds):
    """Its disconnect handler speaks to everybody, and none of them finds that in the midst of another frame."""
    run(play(kinds, [("tell", BIG, None), ("catch up",)] * 3, "little"))
