"""What others wrote into Redis, or a later version of this program: passed over, and nobody's socket is in danger."""

import asyncio

import pytest

from presence_server.presence import complaints
from presence_server.presence import redis as sharing
from presence_server.presence.wire import Change, Figures, change_of, counters_of, snapshot_of
from tests.presence_server.helpers import until
from tests.presence_server.presence.servers import one_server
from tests.presence_server.presence.simulation import World
from tests.presence_server.presence.virtual_time import in_virtual_time

ROOM = "auction:a"
NODES, HASH, CHANNEL = "p:{nodes}", f"p:{{{ROOM}}}:c", f"p:{{{ROOM}}}"

FIELDS = {
    "a counter that is no number": (NODES, "x.1", "abc"),
    "a member without an incarnation": (NODES, "junk", "1"),
    "a member that is no text": (NODES, b"\xff\xfe.1", "1"),
    "a room's figures that are none": (HASH, "n9.5", "junk"),
    "a room's member without an incarnation": (HASH, "junk", "1 1 1 1"),
    "a number of people that is none": (HASH, "#u", "many"),
}
MESSAGES = ["", "junk", "a b c d e f g h", "x.1 1 1 1 1 1 1", "junk 1 1 1 1 1 1 x", b"\xff\xff", "x.1 1 -1 1 1 1 1 x"]


@pytest.fixture
def redis(tmp_path):
    with one_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def pages(redis, start_nodes, page):
    nodes = await start_nodes(2, redis.url)
    async with asyncio.timeout(30):
        while any([await node.health.degraded() for node in nodes]):
            await asyncio.sleep(0.02)
    return [await page().open(node.url) for node in nodes]


@pytest.mark.parametrize("what", FIELDS)
async def test_a_foreign_field_in_redis_harms_nobody(redis, pages, what):
    """Sockets stay, and everybody who is there is counted."""
    redis.ask("HSET", *FIELDS[what])
    for one in pages:
        await one.join(ROOM)
    for one in pages:
        await until(lambda one=one: one.count == 2 and "degraded" not in one.updates[-1][1])
    await pages[0].call("leave", {"room": ROOM})
    await pages[1].sees(1)
    await asyncio.sleep(2.2)  # A beat, so that everybody has read the membership.
    assert [one.reason for one in pages] == [None, None]


async def test_foreign_messages_are_passed_over(redis, pages):
    """On a room's channel, whatever they say."""
    for one in pages:
        await one.join(ROOM)
    for message in MESSAGES:
        redis.ask("SPUBLISH", CHANNEL, message)
    await pages[0].call("leave", {"room": ROOM})
    await pages[1].sees(1)
    assert [one.reason for one in pages] == [None, None]


def test_a_later_version_may_say_more():
    """Its first four figures are the ones that are known."""
    snapshot = snapshot_of([b"#s", b"7", b"n.5", b"1 2 3 4 5 six", b"#new", b"x", b"odd", b"1 1 1 1", b"n.6", b"1 2"])
    assert (snapshot.stamp, snapshot.members, snapshot.odd) == (7, {"n.5": Figures(1, 2, 3, 4)}, 2)
    assert change_of(b"n.5 1 2 3 4 more and more 7 8 x") == Change("n.5", 1, 2, 3, 4, 7, 8, False)
    assert counters_of([b"n.5", b"3", b"n.6", b"x", b"n", b"1"]) == {"n.5": 3}


def test_a_fault_in_what_is_shared_is_an_outage_and_not_the_end(monkeypatch):
    """It is in the log once, with its trace; as long as it lasts counts are local, and after it everything is right."""

    def judged() -> bool:
        raise RuntimeError("a fault")

    said = []
    monkeypatch.setattr(complaints.log, "warning", lambda event, *, exc_info, **_: said.append((event, exc_info)))

    async def story() -> None:
        world = World(2, 1)
        await asyncio.sleep(2)
        for node in world.nodes.values():
            node.join(ROOM, f"g:{node.name}")
        await asyncio.sleep(1)
        with monkeypatch.context() as broken:
            broken.setattr(sharing.Members, "read", lambda *_: judged())
            await asyncio.sleep(10)
            assert world.nodes["n0"].figures(ROOM) == (1, 1)
            assert "see its log" in await world.nodes["n0"].presence.trouble()
        assert [event for event, error in said if error is not None] == ["sharing_failed"] * len(world.nodes)
        await asyncio.sleep(5)
        world.check([ROOM])
        world.end()

    in_virtual_time(story())
