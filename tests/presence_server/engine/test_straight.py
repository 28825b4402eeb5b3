"""Frames that go straight to the system, by the C helper and by the loop in Python: whole, in part, or not at all."""

import asyncio
import importlib
import os
import socket
from dataclasses import dataclass

import pytest

from presence_server.engine import straight
from tests.presence_server.engine.support import Raw, ours

WRITERS = {"python": straight.write_all_in_python}
if straight.write_all is not straight.write_all_in_python:
    WRITERS["c"] = straight.write_all
USERS = ("connections", "fanout", "websocket")


@pytest.fixture(params=["python", "c"])
def write_all(request, monkeypatch):
    """Each of the two, in use by the whole engine."""
    if request.param not in WRITERS:
        pytest.skip("the C helper was not built")
    for name in USERS:
        module = importlib.import_module(f"presence_server.engine.{name}")
        monkeypatch.setattr(module, "write_all", WRITERS[request.param])
    return WRITERS[request.param]


@dataclass(eq=False)
class Wire:
    descriptor: int


@pytest.fixture
def pairs():
    """Makes connected pairs of sockets whose first end does not block."""
    made = []

    def pair():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        made.append((ours, theirs))
        return ours, theirs

    yield pair
    for one, other in made:
        one.close()
        other.close()


def test_every_wire_gets_the_whole_frame(write_all, pairs):
    """Nobody is behind; an absent wire is passed over."""
    made = [pairs() for _ in range(3)]
    wires = [Wire(ours.fileno()) for ours, _ in made]
    assert write_all(iter([wires[0], None, wires[1], wires[2], None]), b"\x81\x01x") == []
    assert [theirs.recv(9) for _, theirs in made] == [b"\x81\x01x"] * 3


def test_a_wire_without_a_descriptor_is_behind_with_everything(write_all, pairs):
    """And the others are written to all the same."""
    ours, theirs = pairs()
    slow, good = Wire(-1), Wire(ours.fileno())
    assert write_all([slow, good], b"frame") == [(slow, 0)]
    assert theirs.recv(9) == b"frame"


def test_what_the_system_takes_in_part_is_told(write_all, pairs):
    """The count is of the bytes that the peer gets; after that nothing is taken."""
    ours, theirs = pairs()
    wire, frame = Wire(ours.fileno()), os.urandom(8 << 20)
    ((behind, sent),) = write_all([wire], frame)
    assert behind is wire and 0 < sent < len(frame)
    assert write_all([wire], b"more") == [(wire, 0)]
    got = b""
    while len(got) < sent:
        got += theirs.recv(1 << 20)
    assert got == frame[:sent]


def test_a_lost_connection_takes_nothing_and_hurts_nobody(write_all, pairs):
    """Neither a peer that is gone nor a descriptor that is closed raises, or stops the others."""
    (gone, peer), (closed, _), (ours, theirs) = pairs(), pairs(), pairs()
    number = closed.fileno()
    peer.close()
    closed.close()
    wires = [Wire(gone.fileno()), Wire(number), Wire(ours.fileno())]
    assert write_all(wires, b"frame") == [(wires[0], 0), (wires[1], 0)]
    assert theirs.recv(9) == b"frame"


def test_no_wires_is_nothing_to_do(write_all):
    """As when the last member has just left."""
    assert write_all(iter(()), b"frame") == []


def test_what_is_not_a_wire_is_an_error(write_all):
    """A mistake of ours is heard of, and not taken for a peer that is gone."""
    with pytest.raises(AttributeError):
        write_all([object()], b"frame")
    with pytest.raises(TypeError):
        write_all([Wire("1")], b"frame")


async def crowded(run):
    """A joined client that does not read, with little room between it and the server."""
    raw = await Raw.connect(run.port)
    sid = await raw.joined()
    raw.writer.transport.pause_reading()
    (websocket,) = run.server.connections.websockets
    for end in (websocket.transport, raw.writer.transport):
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    return raw, sid, websocket


async def test_frames_keep_their_order_when_the_system_takes_them_in_part(write_all):
    """Straight, the rest of a part, behind what waits in the transport, and straight again: no byte out of place."""
    async with ours(write_limit_bytes=16 << 20) as run:
        raw, sid, websocket = await crowded(run)
        expected, ways = [], set()
        for number in range(600):
            text = f'42["n",{number},"{"x" * (number * 37 % 20_000)}"]'
            if number % 3:
                run.tell([sid], "n", number, "x" * (number * 37 % 20_000))
            else:
                websocket.send(text.encode())
            expected.append(text)
            ways.add((websocket.descriptor >= 0, websocket.transport.get_write_buffer_size() > 0))
            if number % 200 == 199:
                raw.writer.transport.resume_reading()
                assert [await raw.receive() for _ in expected] == expected
                expected = []
                raw.writer.transport.pause_reading()
        assert ways == {(True, False), (False, True)}
        raw.reset()


async def test_a_ping_and_a_pong_wait_their_turn_too(write_all):
    """Heartbeats of both layers stand behind what waits in the transport."""
    async with ours(write_limit_bytes=16 << 20) as run:
        raw, sid, websocket = await crowded(run)
        while websocket.transport.get_write_buffer_size() == 0:
            run.tell([sid], "n", "x" * 20_000)
        connections = run.server.connections
        connections.tick(connections.now() + 25.1)
        connections.tick(connections.now() + 25.2)
        websocket.data_received(b"\x89\x82\x00\x00\x00\x00hi")
        raw.writer.transport.resume_reading()
        found = []
        async with asyncio.timeout(30):
            while not found or found[-1] != ("pong", b"hi"):
                found.append(await raw.receive())
        assert all(packet.startswith('42["n"') for packet in found[:-2])
        assert found[-2:] == ["2", ("pong", b"hi")]
        raw.reset()


async def test_after_the_last_words_nothing_goes_out(write_all):
    """A connection that was closed, refused or lost takes no frame, whatever way it would have gone."""
    async with ours() as run:
        for last_words in ("close", "refuse"):
            raw = await Raw.connect(run.port)
            await raw.joined()
            (websocket,) = run.server.connections.websockets
            websocket.send(b"42[1]")
            getattr(websocket, last_words)(1000, "")
            assert websocket.descriptor == -1
            websocket.send(b"42[2]")
            websocket.deliver(b"42[3]", b"\x81\x0542[3]", "topic")
            websocket.deliver(b"42[4]", b"\x81\x0542[4]", None)
            assert await raw.receive() == "42[1]"
            assert await raw.receive() == ("close", 1000)
            raw.reset()
            async with asyncio.timeout(30):
                while run.server.connections.websockets:
                    await asyncio.sleep(0.005)
            assert websocket.descriptor == -1
