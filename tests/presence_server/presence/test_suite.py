"""What a client sees is the same on one process and on many: every test here runs on each kind of backend."""

import asyncio
from uuid import uuid4

import aiohttp
import pytest

from presence_server.presence import hearing
from tests.presence_server.helpers import API_KEY, Page, until


@pytest.fixture
async def nodes(redis_url, start_nodes, monkeypatch):
    """One process without Redis, three with it. However slow the machine is, answers wait for what the others have."""
    monkeypatch.setattr(hearing, "WARM_SECONDS", 30.0)
    nodes = await start_nodes(1 if redis_url is None else 3, redis_url)
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


@pytest.fixture
async def read(room):
    """Reads the room from a node, as services do."""
    async with aiohttp.ClientSession(headers={"X-Internal-Request": API_KEY}) as http:

        async def read(node, path: str = f"/api/v1/rooms/{room}") -> dict:
            async with http.get(f"{node.url}{path}") as answer:
                return (await answer.json())["data"]

        yield read


@pytest.fixture
def is_told(nodes, read):
    """Waits until somebody who is in the room is known on the last of the nodes."""

    async def is_told() -> None:
        async with asyncio.timeout(30):
            while not (await read(nodes[-1]))["viewerCount"]:
                await asyncio.sleep(0.05)

    return is_told


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


async def test_who_joins_late_is_told_at_once_who_is_there(visit, room, is_told):
    """The answer to the join is right although its node did not know the room."""
    early = await visit()
    await early.join(room)
    await is_told()
    answer = await (await visit()).join(room)
    assert (answer["viewerCount"], answer["uniqueViewers"]) == (2, 2)
    assert not {"degraded", "uniqueMode"} & answer.keys()


async def test_a_watcher_hears_a_room_that_is_held_elsewhere(visit, room, is_told):
    """Without being counted, from the answer on."""
    member, watcher = await visit(), await visit()
    await member.join(room)
    await is_told()
    assert (await watcher.call("watch", {"room": room}))["viewerCount"] == 1
    await member.call("leave", {"room": room})
    await watcher.sees(0)


async def test_services_read_the_same_of_a_room_on_every_node(nodes, visit, room, read, is_told):
    """Also where nobody of it is; a list has the rooms of the node that is asked."""
    page = await visit()
    await page.join(room)
    await is_told()
    one = {"room": room, "viewerCount": 1, "uniqueViewers": 1, "activeViewers": 1}
    assert [await read(node) for node in nodes] == [one] * len(nodes)
    assert (await read(nodes[0], "/api/v1/rooms?prefix=auction:"))["rooms"] == [one]


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
