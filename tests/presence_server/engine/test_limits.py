"""Time and memory: heartbeats, half-open peers, slow readers, deadlines, drain, and that nothing is left behind."""

import asyncio
import gc
import socket as sockets
import time
from collections import Counter

import aiohttp
import orjson
import pytest

from presence_server.engine.frames import MessageReader
from presence_server.engine.front import Front
from presence_server.engine.members import Member
from presence_server.engine.requests import Facts
from presence_server.engine.settings import EngineSettings
from presence_server.engine.sockets import Socket
from presence_server.engine.websocket import WebSocket
from tests.presence_server.engine.support import Raw, moments, ours


async def joined(run):
    raw = await Raw.connect(run.port)
    return raw, await raw.joined()


def pass_time(run, seconds):
    """Let the engine's clock pass; two looks, because the first one after a jump waits for unread answers."""
    connections = run.server.connections
    now = connections.now() + seconds
    connections.tick(now)
    connections.tick(now)


async def test_a_client_is_pinged_after_the_interval_and_stays_when_it_answers(run):
    """Ping, pong, and again; never before its time."""
    raw, _ = await joined(run)
    for beat in range(3):
        pass_time(run, 25.1 * beat + 24.8)
        pass_time(run, 25.1 * beat + 25.1)
        assert await raw.receive() == "2"
        raw.send("3")
        raw.send('421["echo"]')
        assert await raw.receive() == "431[]"
    assert len(run.engine.connections()) == 1


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_that_does_not_answer_is_gone_after_the_timeout(run, transport):
    """At interval + timeout, with its reason; its connection is cut, not politely closed."""
    raw = None
    if transport == "websocket":
        raw, _ = await joined(run)
    else:
        async with aiohttp.ClientSession() as http:
            async with http.get(run.polling()) as answer:
                sid = orjson.loads((await answer.text())[1:])["sid"]
            async with http.post(run.polling(sid), data="40"):
                pass
    connections = run.server.connections
    start = connections.now()
    for at in (25.5, 25.5, 45.0, 45.0):
        connections.tick(start + at)
    assert len(run.engine.connections()) == 1 and not run.log.of("disconnect")
    connections.tick(start + 45.6)
    assert len(run.engine.connections()) == 0 and run.log[-1][2] == "ping timeout"
    if raw is not None:
        assert await raw.receive() == "2"
        assert await raw.receive() is None


async def test_a_pong_nobody_asked_for_changes_nothing(run):
    """It does not put off the next ping."""
    raw, _ = await joined(run)
    raw.send("3")
    raw.send('421["echo"]')
    await raw.receive()
    pass_time(run, 25.1)
    assert await raw.receive() == "2"


async def test_wall_clock_jumps_drop_nobody(run, monkeypatch):
    """Heartbeats are on the monotonic clock."""
    raw, _ = await joined(run)
    pass_time(run, 25.1)
    assert await raw.receive() == "2"
    monkeypatch.setattr(time, "time", lambda: 10**10)
    raw.send("3")
    raw.send('421["echo"]')
    assert await raw.receive() == "431[]"
    assert len(run.engine.connections()) == 1


async def test_after_standing_still_the_process_reads_before_it_judges(run):
    """Answers that arrived while the process was stopped count."""
    raw, _ = await joined(run)
    pass_time(run, 25.1)
    assert await raw.receive() == "2"
    raw.send("3")
    run.server.connections.tick(run.server.connections.now() + 100)
    await moments(0.05)
    assert len(run.engine.connections()) == 1


async def test_a_process_that_is_always_late_still_drops_the_silent(run):
    """Only every other late look spares them."""
    await joined(run)
    connections = run.server.connections
    start = connections.now()
    for late in (30, 60, 90, 120):
        connections.tick(start + late)
    assert run.engine.connections() == []


async def test_half_open_peers_are_gone():
    """Peers that went away without a word are all gone, by the clock that runs; how soon is shown with moved time."""
    async with ours(ping_interval_seconds=0.2, ping_timeout_seconds=0.2) as run:
        silent = [await joined(run) for _ in range(50)]
        async with asyncio.timeout(30):
            while len(run.log.of("disconnect")) < 50 or run.engine.connections() or run.server.connections.websockets:
                await asyncio.sleep(0.01)
        assert {entry[2] for entry in run.log.of("disconnect")} == {"ping timeout"}
        for raw, _ in silent:
            raw.reset()


async def test_who_never_connects_to_a_namespace_is_closed(run):
    """Ten seconds for the first CONNECT; a refused one does not count."""
    raw = await Raw.connect(run.port)
    await raw.opened()
    raw.send("40/unknown,")
    await raw.receive()
    stays, _ = await joined(run)
    pass_time(run, 10.1)
    assert await raw.until_closed() == [("close", 1008)]
    assert len(run.engine.connections()) == 1
    stays.reset()


def unread_connection(port):
    """A joined client whose receive buffer is small and never read."""
    peer = sockets.socket()
    peer.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", port))
    peer.setblocking(False)
    return peer


async def slow_reader(run):
    peer = unread_connection(run.port)
    raw = Raw(*await asyncio.open_connection(sock=peer))
    raw.writer.write(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await raw.reader.readuntil(b"\r\n\r\n")
    sid = await raw.joined()
    raw.writer.transport.pause_reading()
    return raw, sid


async def test_a_slow_reader_costs_little_and_gets_the_newest_when_it_reads_again(run):
    """Updates of a topic are skipped while it does not read, and the last one reaches it."""
    raw, sid = await slow_reader(run)
    filler = "x" * 1000
    for count in range(8000):
        run.tell([sid], "count", count, filler, topic="room")
        if count % 100 == 0:
            await asyncio.sleep(0)
    (websocket,) = run.server.connections.websockets
    assert websocket.slow
    assert websocket.transport.get_write_buffer_size() < 256 * 1024
    raw.writer.transport.resume_reading()
    counts = []
    while not counts or counts[-1] != 7999:
        counts.append(orjson.loads((await raw.receive())[2:])[1])
    assert counts == sorted(counts) and len(counts) < 8000
    raw.reset()


async def test_a_reader_that_stays_slow_is_dropped(run):
    """After its time; nobody else waits for it."""
    raw, sid = await slow_reader(run)
    other, healthy = await joined(run)
    for count in range(8000):
        run.tell([sid], "count", count, "x" * 1000, topic="room")
        if count % 100 == 0:
            await asyncio.sleep(0)
    run.tell([sid, healthy], "hello")
    assert await other.receive() == '42["hello"]'
    pass_time(run, 10.5)
    await run.log.seen("disconnect", sid)
    assert run.engine.alive(healthy)
    raw.reset()


async def test_answers_that_pile_up_at_a_slow_reader_are_bounded(run):
    """Events that nothing supersedes: over the limit the reader is cut off at once."""
    raw, sid = await slow_reader(run)
    for count in range(8000):
        run.tell([sid], "must", count, "x" * 1000)
        if count % 100 == 0:
            await asyncio.sleep(0)
    await run.log.seen("disconnect", sid)
    raw.reset()


async def test_a_flood_behind_a_waiting_handler_stops_being_read(run):
    """The queue of a connection is bounded by not reading on."""
    gate = asyncio.Event()

    async def hold(sid):
        await gate.wait()

    run.server.on("hold", hold)
    raw, _ = await joined(run)
    raw.send('42["hold"]')
    for count in range(5000):
        raw.send(f'42["echo",{count}]')
    (socket,) = run.server.eio.sockets.values()
    async with asyncio.timeout(30):
        while not socket.held:
            await asyncio.sleep(0.005)
    await moments(0.1)
    assert socket.held and len(socket._backlog) <= 33 and run.log.of("echo") == []
    gate.set()
    await run.log.seen("echo", socket.members[0].sid, 4999)
    assert [entry[2] for entry in run.log.of("echo")] == list(range(5000))
    raw.reset()


async def test_drain_lets_everybody_go_without_a_disconnect_packet(run):
    """Websockets hear 1001, polls end and the next is refused, new connections find nobody; handlers hear every end."""
    raws = [(await joined(run))[0] for _ in range(5)]
    reader, fresh = await asyncio.open_connection("127.0.0.1", run.port)
    async with aiohttp.ClientSession() as http:
        async with http.get(run.polling()) as answer:
            sid = orjson.loads((await answer.text())[1:])["sid"]
        poll = asyncio.create_task(http.get(run.polling(sid)))
        await moments(0.05)
        await run.engine.drain(sockets_per_second=1000)
        assert (await (await poll).text()) == "6"
        async with http.get(run.polling(sid)) as answer:
            assert answer.status == 503
    assert b" 503 " in await reader.readline()
    for raw in raws:
        assert await raw.receive() == ("close", 1001)
    assert len(run.log.of("disconnect")) == 5 and len(run.engine.connections()) == 0
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", run.port)
    fresh.close()


async def test_drain_lets_go_in_slices_with_a_pause_after_each(run, monkeypatch):
    """As many a second as was asked for: those who are let go do not all come back at once."""
    raws = [(await joined(run))[0] for _ in range(120)]
    left, real = [], asyncio.sleep

    async def pause(seconds):
        left.append((len(run.engine.connections()), seconds))
        await real(0)

    monkeypatch.setattr("presence_server.engine.connections.asyncio.sleep", pause)
    await run.engine.drain(sockets_per_second=200)
    assert left == [(70, 0.25), (20, 0.25), (0, 0.25)]
    for raw in raws:
        assert await raw.receive() == ("close", 1001)
        raw.reset()


async def test_closing_waits_for_handlers_in_flight():
    """What was begun is finished, or cancelled after its time, before the engine is closed."""
    async with ours() as run:
        raw, _ = await joined(run)
        raw.send('42["slow",0.2]')
        await run.log.seen("slow")
        log = run.log
    assert [entry[0] for entry in log][-2:] == ["slow done", "disconnect"]


def objects():
    """How many objects of each type there are."""
    gc.collect()
    return Counter(type(found) for found in gc.get_objects())


async def test_a_thousand_lives_of_a_socket_leave_nothing_behind(run, caplog):
    """With the collector off: none of ours is left, and of no type there is one more for every five lives.

    What earlier tests left may be freed meanwhile, and log records are kept by whoever captures them.
    """
    caplog.set_level("WARNING", logger="presence_server.engine")

    async def life(number):
        raw, sid = await joined(run)
        raw.send('421["echo"]')
        await raw.receive()
        if number % 4 == 0:
            raw.send('42["slow",0]')
        if number % 3 == 0:
            raw.reset()
        elif number % 3 == 1:
            raw.send("1")
        else:
            raw.send("garbage")
        await run.log.seen("disconnect", sid)
        raw.reset()
        run.log.clear()

    async def grown_by(lives):
        """What there is more of afterwards, by type."""
        base = objects()
        gc.disable()
        try:
            for number in range(lives):
                await life(number)
            await asyncio.sleep(0.1)
            of_ours = (Socket, WebSocket, Member, Front, MessageReader, Facts)
            assert [found for found in gc.get_objects() if isinstance(found, of_ours)] == []
        finally:
            gc.enable()
        return objects() - base

    await grown_by(60)
    first, second = await grown_by(500), await grown_by(500)
    # A leak grows with every life; what the rest of the process does meanwhile does not do so twice.
    assert {kind: more for kind, more in second.items() if min(more, first[kind]) >= 100} == {}


async def test_descriptors_and_tasks_return_to_their_base(run):
    """After a wave of every kind of client."""
    from pathlib import Path

    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    base, tasks = descriptors(), len(asyncio.all_tasks())
    raws = [(await joined(run))[0] for _ in range(100)]
    for raw in raws:
        raw.reset()
    async with asyncio.timeout(30):
        while descriptors() > base or len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0.01)


def test_the_ticker_is_fine_enough_for_the_shortest_time_and_lazy_otherwise():
    """A quarter of the shortest, at most once a second."""
    assert EngineSettings().tick_seconds == 0.5
    assert EngineSettings(ping_timeout_seconds=0.2).tick_seconds == pytest.approx(0.05)


async def test_leaving_costs_the_rooms_one_is_in_not_the_rooms_there_are(run):
    """Counted in steps, not in time: with 20,000 rooms of others a disconnect touches none of them."""
    raw, sid = await joined(run)
    other, member = await joined(run)
    for number in range(20_000):
        run.server.manager.basic_enter_room(member, "/", f"room {number}")
    run.server.manager.basic_enter_room(sid, "/", "mine")
    touched = []

    class Counting(dict):
        def __getitem__(self, key):
            touched.append(key)
            return super().__getitem__(key)

        def __iter__(self):
            touched.append("all")
            return super().__iter__()

    run.server.manager.rooms["/"] = Counting(run.server.manager.rooms["/"])
    touched.clear()
    raw.reset()
    await run.log.seen("disconnect", sid)
    assert set(touched) <= {"mine"}
    other.reset()
