"""From polling to websocket: one at a time, nothing lost or doubled, and a failed try costs the session nothing."""

import asyncio
import contextlib
import os

import aiohttp
import orjson
import pytest

from tests.presence_server.engine.support import Raw, ours


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def polling_session(http, run):
    """A connected polling client: (Engine.IO sid, Socket.IO sid)."""
    async with http.get(run.polling()) as answer:
        sid = orjson.loads((await answer.text())[1:])["sid"]
    async with http.post(run.polling(sid), data="40"):
        pass
    text = await poll(http, run, sid)
    return sid, orjson.loads(text[2:])["sid"]


async def poll(http, run, sid):
    async with http.get(run.polling(sid)) as answer:
        return await answer.text() if answer.status == 200 else answer.status


async def post(http, run, sid, body):
    async with http.post(run.polling(sid), data=body) as answer:
        return answer.status


def probe(run, sid):
    return Raw.connect(run.port, f"EIO=4&transport=websocket&sid={sid}")


async def test_the_session_moves_to_the_websocket(run, http):
    """Probe, NOOP for the waiting poll, `5`; then everything goes over the websocket and polls are refused."""
    sid, _ = await polling_session(http, run)
    waiting = asyncio.create_task(poll(http, run, sid))
    raw = await probe(run, sid)
    raw.send("2probe")
    assert await raw.receive() == "3probe"
    assert await waiting == "6"
    assert await poll(http, run, sid) == "6"
    raw.send("5")
    raw.send('421["echo",1]')
    assert await raw.receive() == "431[1]"
    assert await poll(http, run, sid) == 400 and await post(http, run, sid, "3") == 400
    raw.reset()
    await run.log.seen("disconnect")
    assert len(run.log.of("connect")) == len(run.log.of("disconnect")) == 1


async def test_what_is_sent_during_the_upgrade_arrives_once_and_in_order(run, http):
    """Before the probe, during it and after it; by polling and by websocket."""
    sid, me = await polling_session(http, run)
    run.tell([me], "n", 1)
    raw = await probe(run, sid)
    run.tell([me], "n", 2)
    raw.send("2probe")
    assert await raw.receive() == "3probe"
    assert await poll(http, run, sid) == '42["n",1]\x1e42["n",2]'
    run.tell([me], "n", 3)
    await run.server.emit("n", b"4", to=me)
    raw.send("5")
    await asyncio.sleep(0.05)
    run.tell([me], "n", 5)
    assert [await raw.receive() for _ in range(4)] == [
        '42["n",3]', '451-["n",{"_placeholder":true,"num":0}]', b"4", '42["n",5]',
    ]  # fmt: skip


@pytest.mark.parametrize("nonsense", ["", "3probe", "5", "2", "2probex", "40", b"2probe", "stall", "close", "cut"])
async def test_a_failed_upgrade_leaves_the_session_polling(http, nonsense):
    """Garbage, a close, a reset or silence: the websocket goes, the session hears and speaks on."""
    async with ours(upgrade_seconds=0.2) as run:
        sid, me = await polling_session(http, run)
        raw = await probe(run, sid)
        if nonsense in ("stall", "close", "cut"):
            raw.send("2probe")
            assert await raw.receive() == "3probe"
            assert await poll(http, run, sid) == "6"
        if nonsense == "close":
            raw.frame(8, b"")
        elif nonsense == "cut":
            raw.reset()
        elif nonsense != "stall":
            raw.send(nonsense)
        await raw.until_closed()
        waiting = asyncio.create_task(poll(http, run, sid))
        await asyncio.sleep(0.05)
        assert not waiting.done(), "a poll waits again"
        run.tell([me], "still", "here")
        assert await waiting == '42["still","here"]'
        assert await post(http, run, sid, '421["echo"]') == 200
        assert await poll(http, run, sid) == "431[]"
        again = await probe(run, sid)
        again.send("2probe")
        assert await again.receive() == "3probe", "a later try may succeed"


@pytest.mark.parametrize("ending", [b"\x88\x80\0\0\0\0", b"\x81\x01x"], ids=["close", "unmasked"])
async def test_a_failed_upgrade_that_goes_late_leaves_the_next_one_alone(http, ending):
    """A websocket that does not read its farewell lingers; when it is gone at last, the second try goes on."""
    async with ours(close_seconds=5) as run:
        sid, _ = await polling_session(http, run)
        first = await probe(run, sid)
        first.writer.transport.pause_reading()
        (websocket,) = run.server.connections.websockets
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(websocket.transport.get_extra_info("socket").fileno(), b"unread" * 10_000)
        websocket.transport.write(b"unread" * 10_000)
        first.write(ending)
        async with asyncio.timeout(30):
            while run.engine._connections.sockets[sid].upgrading:
                await asyncio.sleep(0.005)
        second = await probe(run, sid)
        second.send("2probe")
        assert await second.receive() == "3probe"
        first.reset()
        async with asyncio.timeout(30):
            while websocket in run.server.connections.websockets:
                await asyncio.sleep(0.005)
        assert (await probe(run, sid)).head.startswith(b"HTTP/1.1 400 ")
        assert await poll(http, run, sid) == "6", "polls still come back at once"
        second.send("5")
        second.send('421["echo"]')
        assert await second.receive() == "431[]"
        second.reset()


async def test_a_second_upgrade_at_once_is_refused(run, http):
    """The first one goes on."""
    sid, _ = await polling_session(http, run)
    first = await probe(run, sid)
    second = await probe(run, sid)
    assert second.head.startswith(b"HTTP/1.1 400 ")
    first.send("2probe")
    assert await first.receive() == "3probe"
    first.send("5")
    await asyncio.sleep(0.05)
    third = await probe(run, sid)
    assert third.head.startswith(b"HTTP/1.1 400 ")
    first.send('421["echo"]')
    assert await first.receive() == "431[]"


async def test_a_session_that_ends_while_it_is_probed_is_over(run, http):
    """The probe finds nobody and its websocket closes."""
    sid, _ = await polling_session(http, run)
    raw = await probe(run, sid)
    raw.send("2probe")
    await raw.receive()
    assert await post(http, run, sid, "1") == 200
    raw.send("5")
    assert await raw.until_closed(1) == [("close", 1008)]
    assert len(run.engine.connections()) == 0


async def test_a_polling_client_that_does_not_fetch_is_dropped(http):
    """What waits for it is bounded; the newest of a topic replaces the one before."""
    async with ours(write_limit_bytes=1000) as run:
        sid, me = await polling_session(http, run)
        for count in range(1000):
            run.tell([me], "count", count, topic="room")
        assert await poll(http, run, sid) == '42["count",999]'
        for count in range(100):
            run.tell([me], "other", count)
        await run.log.seen("disconnect", me)
        assert await poll(http, run, sid) == 400


async def test_a_slow_handler_holds_up_the_client_not_the_memory(run, http):
    """A flood behind a waiting handler is read only as it is worked off."""
    sid, _ = await polling_session(http, run)
    packets = ['42["slow",0.2]', *(f'42{i}["echo",{i}]' for i in range(100))]
    assert await post(http, run, sid, "\x1e".join(packets)) == 200
    assert len(run.log.of("slow done")) == 1
    found = []
    while len(found) < 100:
        found += (await poll(http, run, sid)).split("\x1e")
    assert found == [f"43{i}[{i}]" for i in range(100)]
