"""Several presence processes on one Redis: what everybody is told, with thousands of sockets and when things break."""

import asyncio
import os
import signal

import aiohttp
import pytest

from tests.end_to_end.running import Programs
from tests.end_to_end.visitors import Crowd
from tests.presence_server.presence.servers import one_server

NODES = ("presence_server-1", "presence_server-2", "presence_server-3")
LIMITS = {"PRESENCE__LIMITS__SOCKETS_PER_ADDRESS": "10000"}

PATIENCE_SECONDS = 60.0
"""What is promised, 2 s, a lease and 5 s, is held by a moved clock in `test_simulated.py`; here it is printed."""
OUTAGES = pytest.mark.parametrize(
    "outage_seconds", [5.0, pytest.param(60.0, marks=[pytest.mark.slow, pytest.mark.timeout(400)])]
)
"""Longer than the few seconds for which the others' last counts are believed."""


@pytest.fixture
def redis(tmp_path):
    with one_server(tmp_path / "shared") as server:
        yield server


@pytest.fixture
async def nodes(redis, tmp_path):
    """Three presence servers; what they report waits on their disks, there is no backend."""
    async with aiohttp.ClientSession() as http:
        nodes = Programs(tmp_path, http)
        nodes.redis_url = redis.url
        await asyncio.gather(*(nodes.start("presence_server", name, **LIMITS) for name in NODES))
        async with asyncio.timeout(30):
            while {(await ready(nodes, name))["status"] for name in NODES} != {"ok"}:
                await asyncio.sleep(0.05)
        yield nodes
        for name in list(nodes.children):
            await nodes.kill(name)


@pytest.fixture
async def crowd(nodes):
    crowd = Crowd([url(nodes, name) for name in NODES], [f"auction:{number}" for number in range(20)])
    yield crowd
    crowd.end()


def url(programs, name):
    return f"http://{programs.address(name)}"


async def ready(programs, name):
    async with aiohttp.ClientSession() as http, http.get(f"{url(programs, name)}/readyz") as answer:
        assert answer.status == 200
        return await answer.json()


async def test_three_thousand_sockets_on_three_nodes(nodes, crowd):
    """The truth when it is quiet, and after a kill; and no ghost when the killed one is back."""
    await crowd.come(3_000)
    await crowd.churn(3)
    print(f"right {await crowd.knows(PATIENCE_SECONDS):.2f} s after the last change")

    killed = NODES[1]
    await nodes.kill(killed)
    crowd.here[url(nodes, killed)].clear()
    print(f"right {await crowd.knows(PATIENCE_SECONDS):.2f} s after the kill")

    await nodes.start("presence_server", killed, **LIMITS)
    for _ in range(30):
        assert crowd.wrong() == []
        await asyncio.sleep(0.1)
    await crowd.come(300, url(nodes, killed))
    print(f"right {await crowd.knows(PATIENCE_SECONDS):.2f} s after others came to the one that is back")


async def _outage(nodes, crowd, seconds):
    """While Redis is away: everybody stays, knows what its own node has, and is told that this is all."""
    await asyncio.sleep(seconds)
    await crowd.come(30)
    for visitor in crowd.everybody():
        assert not visitor.is_lost
    for name in NODES:
        async with asyncio.timeout(30):
            while (said := await ready(nodes, name))["status"] != "degraded":
                await asyncio.sleep(0.1)
        assert list(said["reasons"]) == ["redis"]
    for visitors in crowd.here.values():
        for visitor in visitors:
            here = sum(other.room == visitor.room for other in visitors)
            async with asyncio.timeout(30):
                while (visitor.said["viewerCount"], visitor.said.get("degraded")) != (here, True):
                    await asyncio.sleep(0.05)


async def _recovered(crowd, what):
    print(f"right {await crowd.knows(PATIENCE_SECONDS):.2f} s after Redis {what}")
    assert not any(visitor.is_lost for visitor in crowd.everybody())


@OUTAGES
async def test_redis_stopped_and_restarted_empty(nodes, crowd, redis, outage_seconds):
    """Sockets stay, counts are local and say so; right again after its return."""
    await crowd.come(150)
    await crowd.knows(PATIENCE_SECONDS)
    redis.stop()
    await _outage(nodes, crowd, outage_seconds)
    redis.start()
    await _recovered(crowd, "was started again, empty")


@OUTAGES
async def test_redis_frozen(nodes, crowd, redis, outage_seconds):
    """It holds its connections and answers nothing; then it wakes, with everything it had and late commands to do."""
    await crowd.come(150)
    await crowd.knows(PATIENCE_SECONDS)
    redis.freeze()
    crowd.go(30)
    await _outage(nodes, crowd, outage_seconds + 5)
    redis.thaw()
    await _recovered(crowd, "woke up")


async def test_redis_flushed(nodes, crowd, redis):
    """In the middle of coming and going."""
    await crowd.come(150)
    churning = asyncio.create_task(crowd.churn(2, step=3))
    await asyncio.sleep(0.5)
    redis.ask("FLUSHALL")
    await churning
    await _recovered(crowd, "was flushed")


async def test_a_subscribers_buffer_overrun(nodes, crowd, redis):
    """Redis drops a subscriber that does not keep up; it hears again, and learns what it missed."""
    await crowd.come(150)
    await crowd.knows(PATIENCE_SECONDS)
    redis.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 65536 32768 1")
    frozen = nodes.children[NODES[0]].pid
    os.kill(frozen, signal.SIGSTOP)
    try:
        for _ in range(64):
            redis.ask("SPUBLISH", "p:{auction:1}", "x" * 1_000_000)
        others = [url(nodes, name) for name in NODES[1:]]
        for other in others:
            await crowd.come(20, other)
        assert "output buffer limits" in redis.log()
    finally:
        os.kill(frozen, signal.SIGCONT)
    await _recovered(crowd, "had dropped a subscriber")


async def test_a_node_frozen_until_it_was_given_up(nodes, crowd, redis):
    """The others count it out; when it wakes, its sockets count again, and what it says late undoes nothing."""
    await crowd.come(150)
    await crowd.knows(PATIENCE_SECONDS)
    frozen = NODES[2]
    asleep, crowd.here[url(nodes, frozen)] = crowd.here[url(nodes, frozen)], []
    os.kill(nodes.children[frozen].pid, signal.SIGSTOP)
    try:
        print(f"right {await crowd.knows(PATIENCE_SECONDS):.2f} s after the freeze")
    finally:
        os.kill(nodes.children[frozen].pid, signal.SIGCONT)
    crowd.here[url(nodes, frozen)] = asleep
    await _recovered(crowd, "had its third node back")
