"""The known defects of the plain library, each shown on it and shown to be absent here.

Every function tries one thing on a running server and says whether the defect shows. When an upgrade of the library
mends one, its test fails here and may be retired.
"""

import asyncio
import contextlib
import logging
import time
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.presence_server.engine.support import Raw, moments, ours, plain

DEFECTS = []


def defect(**settings):
    def add(function):
        DEFECTS.append(pytest.param(function, settings, id=function.__name__))
        return function

    return add


@pytest.mark.parametrize(("shows", "settings"), DEFECTS)
@pytest.mark.parametrize("server", [ours, plain], ids=["ours", "plain"])
async def test_a_defect_of_the_plain_library_is_absent_here(server, shows, settings, caplog):
    """The plain library shows it, ours does not."""
    for name in ("engineio.server", "socketio.server", "aiohttp.server", "asyncio"):
        caplog.set_level(logging.ERROR, name)
    async with server(**settings) as run:
        assert await shows(run, caplog) is (server is plain)


async def joined(run, **options):
    raw = await Raw.connect(run.port, **options)
    return raw, await raw.joined()


async def http_session(http, run, connect=True):
    async with http.get(run.polling()) as answer:
        sid = orjson.loads((await answer.text())[1:])["sid"]
    if connect:
        async with http.post(run.polling(sid), data="40"):
            pass
        async with http.get(run.polling(sid)) as answer:
            text = await answer.text()
            return sid, orjson.loads(text[2:])["sid"]
    return sid, ""


async def open_still(run, raw):
    """Whether the connection still answers."""
    with contextlib.suppress(TimeoutError):
        raw.send('4277["echo"]')
        async with asyncio.timeout(run.patience_seconds):
            while (message := await raw.receive()) is not None:
                if message == "4377[]":
                    return True
                if isinstance(message, tuple):
                    return False
    return False


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def defect_body(name):
    return f"POST {name} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"


# Lifecycle


@defect()
async def an_event_named_disconnect_runs_the_disconnect_handler(run, caplog):
    raw, sid = await joined(run)
    raw.send('42["disconnect","forged"]')
    await moments(0.1)
    return ("disconnect", sid, "forged") in run.log


@defect()
async def an_event_named_connect_runs_the_connect_handler(run, caplog):
    raw, sid = await joined(run)
    raw.send('42["connect",{"REMOTE_ADDR":"forged"},"auth"]')
    await moments(0.1)
    return ("connect", sid, "auth") in run.log


@defect()
async def a_json_true_is_taken_for_a_disconnect(run, caplog):
    raw, sid = await joined(run)
    raw.send("4true")
    await moments(0.1)
    return ("disconnect", sid, "client disconnect") in run.log


@defect()
async def one_who_left_while_joining_is_counted_for_ever(run, caplog):
    counted = set()

    async def join(sid):
        run.log.append(("joining", sid))
        await asyncio.sleep(0.1)
        counted.add(sid)

    run.server.async_handlers = True  # the library's default
    run.server.on("join", join)
    run.server.on("disconnect", lambda sid, reason: counted.discard(sid))
    raw, _ = await joined(run)
    raw.send('42["join"]')
    await run.log.seen("joining")
    raw.reset()
    await moments(0.3)
    return bool(counted)


@defect()
async def a_disconnect_overtakes_the_handler_in_flight(run, caplog):
    run.server.async_handlers = True  # the library's default
    raw, _ = await joined(run)
    raw.send('42["slow",0.1]')
    await run.log.seen("slow")
    raw.reset()
    await run.log.seen("disconnect")
    await run.log.seen("slow done")
    names = [entry[0] for entry in run.log]
    return names.index("disconnect") < names.index("slow done")


# Polling


@defect()
async def a_dropped_poll_is_not_noticed(run, caplog):
    async with aiohttp.ClientSession() as http:
        sid, _ = await http_session(http, run)
        _, writer = await asyncio.open_connection("127.0.0.1", run.port)
        writer.write(f"GET {run.target(f'EIO=4&transport=polling&sid={sid}')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await moments(0.05)
        writer.close()
        await moments(0.4)
        return not run.log.of("disconnect")


@defect()
async def a_body_in_segments_is_truncated(run, caplog):
    async with aiohttp.ClientSession() as http:
        sid, _ = await http_session(http, run)
        _, writer = await asyncio.open_connection("127.0.0.1", run.port)
        body = b'42["echo","' + b"x" * 3000 + b'"]'
        head = defect_body(run.target(f"EIO=4&transport=polling&sid={sid}"))
        writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body[:1000])
        await moments(0.05)
        writer.write(body[1000:])
        await moments(0.1)
        writer.close()
        return not run.log.of("echo")


@defect()
async def a_chunked_body_is_ignored(run, caplog):
    async with aiohttp.ClientSession() as http:
        sid, _ = await http_session(http, run)

        async def chunks():
            yield b'42["echo"]'

        async with http.post(run.polling(sid), data=chunks()) as answer:
            return answer.status == 200 and not run.log.of("echo")


@defect()
async def more_than_sixteen_packets_in_a_post_are_lost(run, caplog):
    async with aiohttp.ClientSession() as http:
        sid, _ = await http_session(http, run)
        async with http.post(run.polling(sid), data="\x1e".join(['42["echo"]'] * 17)) as answer:
            await answer.read()
        return len(run.log.of("echo")) < 17


@defect()
async def an_illegal_post_leaves_tasks_behind(run, caplog):
    async with aiohttp.ClientSession() as http:
        before = len(asyncio.all_tasks())
        for _ in range(5):
            sid, _ = await http_session(http, run)
            with contextlib.suppress(aiohttp.ClientError):
                async with http.post(run.polling(sid), data="x") as answer:
                    await answer.read()
        await moments(0.2)
        return len(asyncio.all_tasks()) - before >= 5


# Upgrades


@defect(upgrade_seconds=0.2)
async def a_stalled_upgrade_leaves_the_session_deaf(run, caplog):
    async with aiohttp.ClientSession() as http:
        sid, _ = await http_session(http, run)
        await Raw.connect(run.port, f"EIO=4&transport=websocket&sid={sid}")
        await moments(0.4)
        poll = asyncio.create_task(http.get(run.polling(sid)))
        done, _ = await asyncio.wait([poll], timeout=0.2)
        poll.cancel()
        return bool(done)


@defect()
async def a_closed_upgrade_leaves_the_session_spinning(run, caplog):
    async with aiohttp.ClientSession() as http:
        sid, _ = await http_session(http, run)
        raw = await Raw.connect(run.port, f"EIO=4&transport=websocket&sid={sid}")
        raw.frame(8, b"")
        await moments(0.2)
        polls = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while polls < 5:
                    async with http.get(run.polling(sid)) as answer:
                        await answer.read()
                    polls += 1
        return polls == 5


@defect()
async def two_upgrades_at_once_are_both_accepted(run, caplog):
    async with aiohttp.ClientSession() as http:
        sid, _ = await http_session(http, run)
        query = f"EIO=4&transport=websocket&sid={sid}"
        first, second = await Raw.connect(run.port, query), await Raw.connect(run.port, query)
        return b" 101 " in first.head and b" 101 " in second.head


# Binary and JSON


@defect()
async def a_bad_placeholder_wedges_the_connection(run, caplog):
    raw, _ = await joined(run)
    raw.send('451-["echo",{"_placeholder":true,"num":7}]')
    raw.send(b"x")
    await moments(0.1)
    raw.send('421["echo"]')
    with contextlib.suppress(TimeoutError):
        return await raw.receive(run.patience_seconds) not in ("431[]", ("close", 1008), None)
    return True


@defect(max_payload_bytes=1000)
async def attachments_are_buffered_without_bound(run, caplog):
    raw, _ = await joined(run)
    raw.send('4599-["echo"]')
    for _ in range(50):
        raw.send(b"x" * 900)
    await moments(0.1)
    packets = [packet for packet in run.server._binary_packet.values() if len(packet.attachments) == 50]
    return bool(packets)


@defect()
async def nan_is_passed_on_as_invalid_json(run, caplog):
    raw, sid = await joined(run)
    await run.server.emit("n", float("nan"), to=sid)
    return "NaN" in await raw.receive()


@defect()
async def nan_is_taken_from_clients(run, caplog):
    raw, _ = await joined(run)
    raw.send('42["echo",NaN]')
    await moments(0.1)
    return bool(run.log.of("echo"))


@defect()
async def deep_json_raises_recursion_error_in_emit(run, caplog):
    _raw, sid = await joined(run)
    deep = []
    for _ in range(5000):
        deep = [deep]
    try:
        await run.server.emit("deep", deep, to=sid)
    except RecursionError:
        return True
    except (TypeError, ValueError):
        return False
    return None


# Bad packets


@defect()
async def a_bad_packet_leaves_a_traceback_and_an_open_connection(run, caplog):
    raw, _ = await joined(run)
    raw.send("42{bad")
    await moments(0.1)
    tracebacks = [record for record in caplog.records if record.exc_info]
    return bool(tracebacks) and await open_still(run, raw)


@defect()
async def an_event_before_connect_leaves_the_connection_open(run, caplog):
    raw = await Raw.connect(run.port)
    await raw.opened()
    raw.send('42["echo"]')
    with contextlib.suppress(TimeoutError):
        return await raw.receive(run.patience_seconds) != ("close", 1008)
    return True


@defect(connect_seconds=0.1)
async def a_connect_that_never_comes_is_waited_for_for_ever(run, caplog):
    raw = await Raw.connect(run.port)
    await raw.opened()
    with contextlib.suppress(TimeoutError):
        return await raw.receive(run.patience_seconds) != ("close", 1008)
    return True


# Time and memory


@defect(ping_interval_seconds=0.5)
async def fractions_of_a_second_are_announced_as_whole_ones(run, caplog):
    raw = await Raw.connect(run.port)
    return (await raw.opened())["pingInterval"] != 500


@defect(ping_interval_seconds=0.1)
async def a_jump_of_the_wall_clock_drops_everybody(run, caplog):
    raw, _ = await joined(run)
    assert await raw.receive() == "2"
    true_time = time.time
    time.time = lambda: true_time() + 3600
    try:
        await run.server.emit("any")
        await moments(0.1)
        return bool(run.log.of("disconnect"))
    finally:
        time.time = true_time


@defect(ping_interval_seconds=0.1, ping_timeout_seconds=0.2)
async def after_a_ping_timeout_the_descriptor_stays(run, caplog):
    keeps, _ = await joined(run)
    before = descriptors()
    await run.log.seen("disconnect")
    await moments(0.3)
    gone = descriptors() < before
    keeps.reset()
    return not gone


@defect(slow_seconds=0.2)
async def a_slow_reader_makes_the_server_grow_without_bound(run, caplog):
    raw, sid = await joined(run)
    raw.writer.transport.pause_reading()
    for _ in range(300):
        await run.server.emit("big", "x" * 60_000, to=sid)
    await moments(0.4)
    return run.server.manager.is_connected(sid, "/") and bool(run.server.eio.sockets)


@defect()
async def a_disconnect_looks_at_every_room_there_is(run, caplog):
    _keeper, member = await joined(run)
    raw, sid = await joined(run)
    for number in range(3000):
        await run.server.enter_room(member, f"room {number}")
    looked = []

    class Watched(dict):
        def copy(self):
            looked.append(len(self))
            return self

    rooms = run.server.manager.rooms
    rooms["/"] = Watched(rooms["/"])
    raw.reset()
    await run.log.seen("disconnect", sid)
    await moments(0.05)
    return bool(looked)
