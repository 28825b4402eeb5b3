"""Servers that change places under running nodes: a slot of a Cluster that moves, a primary that dies."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from redis.crc import key_slot

from presence_server.presence.wire import Names
from tests.presence_server.helpers import Page, until
from tests.presence_server.presence.servers import cluster, one_more, replicated

NAMES = Names()
ROOM = "auction:moves"
ROOMS = [f"auction:{number}" for number in range(99)]
SLOT = key_slot(NAMES.base(ROOM).encode())


async def _everybody_is_connected(nodes):
    async with asyncio.timeout(30):
        while any([await node.health.degraded() for node in nodes]):
            await asyncio.sleep(0.02)


@pytest.fixture
async def meet(page):
    """Brings a page of each of two nodes into the room."""

    async def meet(nodes) -> list[Page]:
        await _everybody_is_connected(nodes)
        pages = [await page().open(node.url) for node in nodes]
        for one in pages:
            await one.join(ROOM)
        for one in pages:
            await one.sees(2)
        return pages

    return meet


async def _right_again(start_page, pages, nodes):
    """Who comes now is counted by everybody, and nobody is told that it may not be all."""
    third = await start_page().open(nodes[0].url)
    await third.join(ROOM)
    for one in [*pages, third]:
        await until(lambda one=one: one.count == 3 and "degraded" not in one.updates[-1][1])
        assert one.reason is None


async def test_a_slot_that_moves_to_another_server(tmp_path, start_nodes, meet, page):
    """First key by key, with the room between two servers, then for good."""
    with cluster(tmp_path / "cluster") as servers:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
        nodes = await start_nodes(2, url)
        pages = await meet(nodes)
        owner = next(server for server in servers if _owns(server, SLOT))
        target = next(server for server in servers if server is not owner)
        await asyncio.to_thread(_move, servers, owner, target)
        await _right_again(page, pages, nodes)


async def test_the_membership_is_long_on_its_way_to_a_new_server(tmp_path, start_nodes, meet):
    """One that has no slot yet and knows no script: nodes beat there, each over one connection; nothing is local."""
    with cluster(tmp_path / "cluster") as servers, one_more(tmp_path / "new", servers) as new:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
        nodes = await start_nodes(2, url)
        pages = await meet(nodes)
        slot = key_slot(NAMES.nodes.encode())
        owner = next(server for server in servers if _owns(server, slot))
        await asyncio.to_thread(_half_move, owner, new, slot)
        with new.client() as looking:
            before = looking.info("stats")["total_connections_received"]
            beats = sum(_beats(looking))
            async with asyncio.timeout(30):
                while sum(_beats(looking)) < beats + 6:
                    await asyncio.sleep(0.1)
            assert looking.info("stats")["total_connections_received"] - before <= 2
            assert len(_beats(looking)) == 2
        assert not [details for one in pages for _, details in one.updates if "degraded" in details]


def _beats(looking):
    looking.execute_command("ASKING")
    return [int(count) for count in looking.hvals(NAMES.nodes)]


def _owns(server, slot):
    myself = server.ask("CLUSTER", "MYID").decode()
    for first, last, primary, *_ in server.ask("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return primary[2].decode() == myself
    return False


def _half_move(owner, target, slot):
    """The slot's keys are there; it still belongs to its owner, which points to them."""
    source, sink = (server.ask("CLUSTER", "MYID").decode() for server in (owner, target))
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
    owner.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", sink)
    while keys := owner.ask("CLUSTER", "GETKEYSINSLOT", slot, 10):
        owner.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)


def _move(servers, owner, target):
    _half_move(owner, target, SLOT)
    sink = target.ask("CLUSTER", "MYID").decode()
    for server in (target, owner, *servers):
        server.ask("CLUSTER", "SETSLOT", SLOT, "NODE", sink)


async def test_a_master_that_dies(tmp_path, start_nodes, meet, page):
    """The Sentinel makes the replica master; sockets stay, and everything is said to the new one."""
    with replicated(tmp_path / "sentinel") as (master, replica, sentinel):
        nodes = await start_nodes(2, f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster")
        pages = await meet(nodes)
        master.stop()
        async with asyncio.timeout(30):
            while b"role:master" not in await asyncio.to_thread(_replication, replica):
                await asyncio.sleep(0.05)
        await _right_again(page, pages, nodes)


def _replication(server):
    found = server.ask("INFO", "replication")
    return f"role:{found['role']}".encode() if isinstance(found, dict) else found


@asynccontextmanager
async def _coming_and_going(visitor, room):
    """Somebody joins and leaves the room again and again."""

    async def for_ever() -> None:
        while True:
            for what in ("join", "leave"):
                await visitor.call(what, {"room": room})
                await asyncio.sleep(0.05)

    task = asyncio.create_task(for_ever())
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_a_cluster_node_that_dies_while_its_rooms_are_spoken_of(tmp_path, start_nodes, meet, page):
    """Long enough for everybody to be accused who could be: the rooms on the other servers are right all the time."""
    with cluster(tmp_path / "cluster") as servers:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
        nodes = await start_nodes(2, url, limits={"events_per_second": 1000, "events_at_once": 1000})
        await meet(nodes)
        owner = next(server for server in servers if _owns(server, SLOT))
        elsewhere = [room for room in ROOMS if not _owns(owner, key_slot(NAMES.base(room).encode()))][:5]
        others = {room: [await page().open(node.url) for node in nodes] for room in elsewhere}
        for room, pair in others.items():
            for other in pair:
                await other.join(room)
                await other.sees(pair.index(other) + 1)
        async with _coming_and_going(await page().open(nodes[0].url), ROOM):
            await asyncio.sleep(0.5)
            owner.stop()
            await asyncio.sleep(15)
        for pair in others.values():
            await pair[0].sees(2)
            assert not [details for one in pair for _, details in one.updates if "degraded" in details]
        assert "rooms not shared" in (await nodes[0].health.degraded())["redis"]
        late = [await page().open(node.url) for node in nodes]
        for one in late:
            await one.join(elsewhere[0])
        await late[0].sees(4)


async def test_a_cluster_node_that_dies_and_is_replaced(tmp_path, start_nodes, meet, page):
    """While a primary is away its rooms are this node's own; the others' rooms are not touched."""
    with cluster(tmp_path / "cluster") as servers:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
        nodes = await start_nodes(2, url)
        pages, owner = await meet(nodes), next(server for server in servers if _owns(server, SLOT))
        assert not _owns(owner, key_slot(NAMES.nodes.encode()))
        elsewhere = next(room for room in ROOMS if not _owns(owner, key_slot(NAMES.base(room).encode())))
        others = [await page().open(node.url) for node in nodes]
        for other in others:
            await other.join(elsewhere)
        owner.stop()
        await until(lambda: pages[0].count == 1 and pages[0].updates[-1][1].get("degraded"))
        await others[0].sees(2)
        owner.start()
        await _right_again(page, pages, nodes)
        assert not [details for other in others for _, details in other.updates if "degraded" in details]
