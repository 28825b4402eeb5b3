"""A Redis that answers and refuses: what is told to whom, and what goes on all the same."""

import asyncio

import pytest

from presence_server.presence import complaints
from tests.presence_server.helpers import until
from tests.presence_server.presence.servers import one_server

ROOMS = ["auction:a", "auction:b", "auction:c"]
BAD = "auction:bad"


@pytest.fixture
def redis(tmp_path):
    with one_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def said(monkeypatch):
    """What is complained of in the log."""
    said = []
    monkeypatch.setattr(complaints.log, "warning", lambda event, *, reason, **_: said.append((event, reason)))
    return said


async def _connected(nodes):
    async with asyncio.timeout(30):
        while any([await node.health.degraded() for node in nodes]):
            await asyncio.sleep(0.02)


async def _trouble(node, words):
    """Wait until /readyz has these words."""
    async with asyncio.timeout(30):
        while words not in (await node.health.degraded()).get("redis", ""):
            await asyncio.sleep(0.05)


def _is_right(page, room, count):
    newest = next((details for _, details in reversed(page.updates) if details["room"] == room), {})
    return newest.get("viewerCount") == count and "degraded" not in newest


async def test_one_room_that_cannot_be_written_is_alone_in_that(redis, start_nodes, page):
    """Whatever else has to be said anew is said, and stays right for longer than anybody is believed without a beat."""
    nodes = await start_nodes(2, redis.url)
    await _connected(nodes)
    pages = [await page().open(node.url) for node in nodes]
    for one in pages:
        for room in ROOMS:
            await one.join(room)
    redis.ask("SET", f"p:{{{BAD}}}:c", "x")
    await pages[0].join(BAD)
    redis.ask("CLIENT", "KILL", "TYPE", "normal")
    await _trouble(nodes[0], "1 of 4 rooms not shared: WRONGTYPE")
    await asyncio.sleep(13)
    for one in pages:
        assert all(_is_right(one, room, 2) for room in ROOMS)
    assert list(await nodes[1].health.degraded()) == []
    redis.ask("DEL", f"p:{{{BAD}}}:c")
    await until(lambda: _is_right(pages[0], BAD, 1))
    await _connected(nodes)


@pytest.mark.parametrize(
    ("rights", "password", "words"),
    [
        ("~p:* &p:* +@all", "wrong", "invalid username-password pair"),
        ("~p:* &p:* +@all -client", "right", "'client|setname'"),
        ("~p:* &p:* +@all -@scripting", "right", "'evalsha'"),
        ("~p:* resetchannels +@all", "right", "channel"),
        ("~q:* &p:* +@all", "right", "permission"),
    ],
)
async def test_a_user_without_the_rights_is_named_in_readyz_and_in_the_log(
    redis, start_nodes, page, said, rights, password, words
):
    """With Redis' own words; each reason once, however many rooms there are."""
    redis.ask("ACL", "SETUSER", "app", "on", ">right", *rights.split())
    [node] = await start_nodes(1, f"redis://app:{password}@127.0.0.1:{redis.port}/0")
    visitor = await page().open(node.url)
    for number in range(20):
        await visitor.join(f"auction:{number}")
    await until(lambda: visitor.updates and visitor.updates[-1][1].get("degraded"))
    await _trouble(node, words)
    assert said
    assert len(said) == len(set(said)) <= 3


async def test_what_no_room_could_be_shared_over_is_said_before_there_is_one(redis, start_nodes):
    """A server before version 7 has no sharded channels; here the user may not use them."""
    redis.ask("ACL", "SETUSER", "app", "on", ">right", "~p:*", "&p:*", "+@all", "-spublish")
    [node] = await start_nodes(1, f"redis://app:right@127.0.0.1:{redis.port}/0")
    await _trouble(node, "refused: ")
    assert "spublish" in (await node.health.degraded())["redis"]
    redis.ask("ACL", "SETUSER", "app", "+spublish")
    await _connected([node])


@pytest.mark.parametrize("database", [0, 1])
async def test_the_rights_that_the_example_names_are_enough(redis, start_nodes, page, database):
    """Keys and channels of its own, and the commands."""
    own = f"p{database or ''}:*"
    redis.ask("ACL", "SETUSER", "app", "on", ">right", f"~{own}", f"&{own}", "+@all", "-@admin")
    nodes = await start_nodes(2, f"redis://app:right@127.0.0.1:{redis.port}/{database}")
    await _connected(nodes)
    pages = [await page().open(node.url) for node in nodes]
    for one in pages:
        await one.join(ROOMS[0])
    for one in pages:
        await one.sees(2)
    assert list(await nodes[0].health.degraded()) == []


async def test_two_databases_of_one_redis_are_two_installations(redis, start_nodes, page, tmp_path):
    """Neither hears of the other's people, although channels know no databases."""
    first = await start_nodes(2, redis.url)
    await _connected(first)
    ours = [await page().open(node.url, auth={"viewerId": "ada"}) for node in (*first, first[0])]
    for one in ours:
        await one.join(ROOMS[0])
    [theirs] = await start_nodes(1, redis.url.replace("/0", "/1"), data_dir=tmp_path / "other", node="other")
    await _connected([theirs])
    for number in range(5):
        await (await page().open(theirs.url, auth={"viewerId": f"v{number}"})).join(ROOMS[0])
    await asyncio.sleep(0.5)
    await ours[2].call("leave", {"room": ROOMS[0]})
    for one in ours[:2]:
        await until(lambda one=one: one.count == 2)
    assert {details["uniqueViewers"] for one in ours for _, details in one.updates} == {1}


async def test_two_nodes_with_one_name_say_so(redis, start_nodes):
    """As long as both are there."""
    nodes = await start_nodes(2, redis.url, node="twin")
    await asyncio.gather(*(_trouble(node, "presence.node") for node in nodes))
