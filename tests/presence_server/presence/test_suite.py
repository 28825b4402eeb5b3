"""What a client sees is the same on one process and on many: every test here runs on each kind of backend."""

import asyncio
from uuid import uuid4

import aiohttp
import pytest

from tests.presence_server.helpers import API_KEY, Page, until


@pytest.fixture
async def nodes(redis_url, start_nodes):
    """One process without Redis, two with it."""
    nodes = await start_nodes(1 if redis_url is None else 2, redis_url)
    async with asyncio.timeout(30):
        while any([await node.health.degraded() for node in nodes]):
            await asyncio.sleep(0.02)
    return nodes


@pytest.fixture
def room():
    return f"auction:{uuid4().hex}"


@pytest.fixture
async def visit(nodes):
    """Opens pages, on one node after the other."""
    pages = []

    async def visit(**options: object) -> Page:
        page = await Page().open(nodes[len(pages) % len(nodes)].url, **options)
        pages.append(page)
        return page

    yield visit
    for page in pages:
        await page.client.disconnect()


async def _figures(page: Page, *figures: int) -> None:
    """Wait until the page has heard these numbers of viewers, people and active people."""
    names = ("viewerCount", "uniqueViewers", "activeViewers")
    await until(lambda: page.updates and tuple(page.updates[-1][1][name] for name in names) == figures)


async def test_everybody_in_a_room_sees_everybody_come_and_go(visit, room):
    """On whichever node they are; by a leave or by a lost connection."""
    pages = [await visit() for _ in range(4)]
    for page in pages:
        await page.join(room)
    for page in pages:
        await page.sees(4)
    await pages[3].call("leave", {"room": room})
    await pages[2].client.disconnect()
    for page in pages[:2]:
        await page.sees(2)


async def test_a_person_with_tabs_on_two_nodes_is_one_person(visit, room):
    """Two viewers, one unique viewer; active as long as a tab is visible somewhere."""
    ours, theirs = [await visit(auth={"viewerId": "ada"}) for _ in range(2)]
    other = await visit(auth={"viewerId": "bob"})
    for page in (ours, theirs, other):
        await page.join(room)
    await _figures(ours, 3, 2, 2)
    for page in (ours, theirs):
        await page.client.emit("active", {"active": False})
    await _figures(other, 3, 2, 1)
    await theirs.client.disconnect()
    await ours.client.disconnect()
    await _figures(other, 1, 1, 1)


async def test_who_joins_late_is_told_at_once_who_is_there(visit, room):
    """The answer to the join is right although its node did not know the room."""
    early = await visit()
    await early.join(room)
    answer = await (await visit()).join(room)
    assert (answer["viewerCount"], answer["uniqueViewers"]) == (2, 2)
    assert not {"degraded", "uniqueMode"} & answer.keys()


async def test_a_watcher_hears_a_room_that_is_held_elsewhere(visit, room):
    """Without being counted, from the answer on."""
    member, watcher = await visit(), await visit()
    await member.join(room)
    assert (await watcher.call("watch", {"room": room}))["viewerCount"] == 1
    await member.call("leave", {"room": room})
    await watcher.sees(0)


async def test_services_read_the_same_of_a_room_on_every_node(nodes, visit, room):
    """Also where nobody of it is; a list has the rooms of the node that is asked."""
    page = await visit()
    await page.join(room)
    headers = {"X-Internal-Request": API_KEY}
    async with aiohttp.ClientSession(headers=headers) as http:
        for node in nodes:
            async with http.get(f"{node.url}/api/v1/rooms/{room}") as answer:
                found = (await answer.json())["data"]
            assert found == {"room": room, "viewerCount": 1, "uniqueViewers": 1, "activeViewers": 1}
        async with http.get(f"{nodes[0].url}/api/v1/rooms", params={"prefix": "auction:"}) as answer:
            assert (await answer.json())["data"]["rooms"] == [found]


async def test_a_rooms_updates_only_grow_in_seq(visit, room):
    """What changes elsewhere makes an update newer, too: a client that keeps the newest has the right one."""
    pages = [await visit() for _ in range(4)]
    for page in pages:
        await page.join(room)
    await pages[0].sees(4)
    for page in pages[2:]:
        await page.call("leave", {"room": room})
    await pages[0].sees(2)
    seqs = [details["seq"] for _, details in pages[0].updates]
    assert seqs == sorted(set(seqs))
    assert len({details["epoch"] for _, details in pages[0].updates}) == 1


async def test_rooms_do_not_hear_of_each_other(visit, room):
    """A room beside it stays as it was."""
    page, neighbour = await visit(), await visit()
    await page.join(room)
    await neighbour.join(room + "x")
    await page.sees(1)
    await neighbour.sees(1)
    heard = len(page.updates)
    await neighbour.call("leave", {"room": room + "x"})
    await neighbour.join(room + "x")
    await asyncio.sleep(0.3)
    assert len(page.updates) == heard
