"""Which rooms a node hears, and how long anybody waits for them."""

import asyncio
import time

import pytest

from tests.presence_server.helpers import until
from tests.presence_server.presence.servers import one_server
from tests.presence_server.presence.simulation import World
from tests.presence_server.presence.virtual_time import in_virtual_time

ROOM = "auction:a"


@pytest.fixture
def redis(tmp_path):
    with one_server(tmp_path / "redis") as server:
        yield server


async def _connected(nodes):
    async with asyncio.timeout(30):
        while any([await node.health.degraded() for node in nodes]):
            await asyncio.sleep(0.02)


def _listeners(redis):
    [(_, count)] = _pairs(redis.ask("PUBSUB", "SHARDNUMSUB", f"p:{{{ROOM}}}"))
    return count


def _pairs(reply):
    return list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=True))


async def test_only_nodes_that_hold_a_room_hear_of_it(redis, start_nodes, page):
    """Three nodes, one of which has nobody in the room."""
    nodes = await start_nodes(3, redis.url)
    await _connected(nodes)
    first, second = [await page().open(node.url) for node in nodes[:2]]
    await first.join(ROOM)
    await second.call("watch", {"room": ROOM})
    assert await asyncio.to_thread(_listeners, redis) == 2


def test_a_room_is_heard_for_about_a_minute_after_the_last_one_left():
    """Long enough for its minute to be filed with the right roster; then it costs nothing any more."""

    async def story() -> None:
        world = World(2, 1)
        await asyncio.sleep(2)
        world.nodes["n0"].join(ROOM, "g:1")
        await asyncio.sleep(1)
        world.nodes["n0"].leave(ROOM)
        await asyncio.sleep(60)
        assert world.nodes["n0"].link.hears(ROOM)
        await asyncio.sleep(8)
        assert not world.nodes["n0"].link.hears(ROOM)
        assert world.nodes["n0"].presence.measures()["presence_redis_rooms"] == 0
        world.end()

    in_virtual_time(story())


def test_a_room_that_is_entered_again_in_time_stays_heard():
    """The minute begins with the next departure."""

    async def story() -> None:
        world = World(2, 1)
        await asyncio.sleep(2)
        for _ in range(4):
            world.nodes["n0"].join(ROOM, "g:1")
            await asyncio.sleep(2)
            world.nodes["n0"].leave(ROOM)
            await asyncio.sleep(40)
            assert world.nodes["n0"].link.hears(ROOM)
        world.end()

    in_virtual_time(story())


async def test_a_join_never_waits_long_for_redis(redis, start_nodes, page):
    """A quarter of a second at most, then with what is known here; the rest comes when it comes."""
    nodes = await start_nodes(2, redis.url)
    await _connected(nodes)
    first, second = [await page().open(node.url) for node in nodes]
    await first.join(ROOM)
    redis.freeze()
    try:
        started = time.monotonic()
        assert (await second.join(ROOM))["viewerCount"] == 1
        waited = time.monotonic() - started
    finally:
        redis.thaw()
    assert waited >= 0.2
    for one in (first, second):
        await until(lambda one=one: one.count == 2)


async def test_redis_that_is_not_there_keeps_no_server_from_starting(start_nodes, page):
    """It counts alone, says so, and joins the others once they can meet."""
    [node] = await start_nodes(1, "redis://127.0.0.1:1/0")
    visitor = await page().open(node.url)
    answer = await visitor.join(ROOM)
    assert (answer["viewerCount"], answer["degraded"]) == (1, True)
    assert await node.health.reasons() == {}
    assert list(await node.health.degraded()) == ["redis"]
