"""Presence processes, and backends, restarted one after the other behind the real balancer, under load."""

import asyncio
import shutil
import sqlite3
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from backend_api.sessions.documents import HISTORY, LIVE
from backend_api.viewers.documents import PARTS, part_of
from scripts.stack.demo import end
from tests.end_to_end.balancer import BALANCERS, Balancer
from tests.end_to_end.crowd import ROOM, Listener, Stayer, come_and_go

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="NOT RUN: there is no redis-server")

NODES = ("presence_server-1", "presence_server-2")
DRAINING = {"PRESENCE__DRAIN_SECONDS": "1", "PRESENCE__TRUSTED_PROXIES": '["127.0.0.1/32"]'}


BACKENDS = ("backend_api", "backend_api-2")


async def _save_and_read(http, url, room, stop):
    """One minute of a room after the other is saved, each is read back; how many there were. Raises at any failure."""
    started_at, saved = time.time() // 60 * 60 - 3_600, 0
    while not stop.is_set():
        moment = datetime.fromtimestamp(started_at - 60 * saved, UTC).isoformat()
        part = {"timestamp": moment, "viewerCount": 1, "avgViewers": 1, "peakViewers": 1}
        path = f"{url}/api/v1/auctions/{room}"
        async with http.post(f"{path}/analytics/snapshot", json=part) as answer:
            assert (answer.status, (await answer.json())["data"]) == (200, {"saved": True})
        async with http.get(f"{path}/settings") as answer:
            assert answer.status == 200
        saved += 1
    return saved


async def test_restarting_the_backends_in_turn_fails_no_request(programs, tmp_path):
    """Each drains until the balancer has noticed; every answer is a success, and each saved minute is there once."""
    environ = {"BACKEND__DRAIN_SECONDS": "1"}
    await asyncio.gather(*(programs.start("backend_api", name, **environ) for name in BACKENDS))
    balancer = Balancer(tmp_path, ["127.0.0.1:9"] * 2, [programs.address(name) for name in BACKENDS])
    stop = asyncio.Event()
    async with aiohttp.ClientSession(headers={"X-Internal-Request": programs.ring.api_key}) as http:
        rooms = [f"r{number}" for number in range(4)]
        work = [asyncio.create_task(_save_and_read(http, balancer.backend, room, stop)) for room in rooms]
        for name in BACKENDS:
            await programs.stop(name)
            await programs.start("backend_api", name, **environ)
            async with asyncio.timeout(60):
                while (
                    f"api/{'backend-2' if name == BACKENDS[1] else 'backend-1'} is UP" not in balancer.log.read_text()
                ):
                    await asyncio.sleep(0.05)
        stop.set()
        saved = await asyncio.gather(*work)
    balancer.stop()
    kept = Counter(document["r"] for document in await _documents(programs, PARTS))
    assert kept == {f"auction:{room}": count for room, count in zip(rooms, saved, strict=True)}


@pytest.fixture(params=[Balancer], ids=["haproxy"])
async def cluster(programs, tmp_path, request):
    """Two nodes with a Redis between them, a backend, the balancer in front."""
    await programs.start_redis()
    await asyncio.gather(
        programs.start("backend_api"), *(programs.start("presence_server", name, **DRAINING) for name in NODES)
    )
    backend = programs.address("backend_api")
    balancer = request.param(tmp_path, [programs.address(name) for name in NODES], [backend, backend])
    yield programs, balancer
    balancer.stop()


async def _restart(programs, name, stayers, listeners):
    """As an operator would: told to stop, waited for, started again on the same folder and port.

    Nobody waits for that start: everybody is on the other node by then.
    """
    child = programs.children[name]
    await programs.stop(name)
    assert "exited with code 0" in await child.ended()
    await _until_all_are_back(stayers, listeners)
    await programs.start("presence_server", name, **DRAINING)


async def _until_all_are_back(stayers, listeners):
    async with asyncio.timeout(60):
        while not all(one.is_counted for one in stayers) or not all(one.client.connected for one in listeners):
            await asyncio.sleep(0.02)


async def _until_every_node_says(programs, viewers):
    """Each counts all of them, whichever they are on, soon after the last one is back."""
    headers = {"X-Internal-Request": programs.ring.api_key}
    async with aiohttp.ClientSession(headers=headers) as http, asyncio.timeout(30):
        for name in NODES:
            while (await _live_count(http, f"http://{programs.address(name)}/api/v1/rooms/{ROOM}")) != viewers:
                await asyncio.sleep(0.05)


async def _live_count(http, url):
    async with http.get(url) as answer:
        return (await answer.json())["data"]["viewerCount"]


async def _documents(programs, collection):
    client = AsyncMongoClient(programs.mongo_url)
    try:
        return [document async for document in client["presence"][collection].find()]
    finally:
        await client.close()


def _left_on_disk(folder):
    """How many reports, and how many items set aside, are still in a node's queues."""
    left = []
    for name in ("outbox.db", "sessions.db"):
        with closing(sqlite3.connect(folder / name)) as database:
            left += [
                database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("reports", "set_aside")
            ]
    return left


async def _restarted(cluster, *, rounds, viewers, listeners, churners, pause_seconds):
    """The crowd after the restarts, everybody gone and every node stopped; all that is left are the records."""
    programs, balancer = cluster
    stayers = [Stayer() for _ in range(viewers)]
    tuned = [Listener(number) for number in range(listeners)]
    for one in (*stayers, *tuned):
        await one.open(balancer.presence)
    passers = [asyncio.create_task(come_and_go(balancer.presence, "auction:busy", seed)) for seed in range(churners)]
    await _until_all_are_back(stayers, tuned)
    for number in range(rounds):
        await _restart(programs, NODES[number % len(NODES)], stayers, tuned)
        await _until_all_are_back(stayers, tuned)
        await asyncio.sleep(pause_seconds)
    await _until_every_node_says(programs, viewers)
    await end(passers)
    await asyncio.gather(*(one.stop() for one in tuned), *(one.close() for one in stayers))
    # A stop waits only so long for what is on its way; what is left would be on disk until the next start.
    async with asyncio.timeout(60):
        while await _documents(programs, LIVE):
            await asyncio.sleep(0.1)
    for name in NODES:
        await programs.stop(name)
    return stayers, tuned


async def _check_the_ledger(programs, stayers, listeners):
    assert [_left_on_disk(programs.folder(name)) for name in NODES] == [[0, 0, 0, 0]] * len(NODES)
    parts = [part_of(kept) for kept in await _documents(programs, PARTS) if kept["r"] == ROOM]
    told = {epoch for one in stayers for epoch in one.epochs}
    assert {f"{part.node}:{part.boot}" for part in parts} == told
    stored = sum(slot.viewer_ms for part in parts for slot in part.slots.values()) / 1000
    lived = sum(one.viewer_seconds for one in stayers)
    # The server counts from before the answer to a join is read, and to before its end of the socket is.
    unsure = sum(one.unsure_seconds for one in stayers)
    assert -unsure - 0.03 * lived <= stored - lived <= unsure + 0.03 * lived
    history = await programs.get(f"/api/v1/rooms/{ROOM}/analytics/viewers?timeRange=all&resolution=1m")
    assert history["summary"]["overallPeak"] <= len(stayers)
    sessions = await _documents(programs, HISTORY)
    assert await _documents(programs, LIVE) == []
    announced = {session["sessionId"] for one in listeners for session in one.sessions}
    assert len(announced) == len(listeners)
    assert {session["_id"] for session in sessions} == announced
    assert len(sessions) == len(announced)


async def test_five_restarts_lose_nothing_that_was_acknowledged(cluster):
    """A part for each life of a node, the viewer-seconds that were lived, no false peak, a listener has one session."""
    programs, _ = cluster
    stayers, listeners = await _restarted(cluster, rounds=5, viewers=24, listeners=8, churners=4, pause_seconds=0.2)
    await _check_the_ledger(programs, stayers, listeners)
    assert sum(one.told_to_go for one in stayers) >= 24
    assert all(session["resumed"] for one in listeners for session in one.sessions[1:])
    assert sum(len(one.sessions) for one in listeners) > len(listeners)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("cluster", BALANCERS, indirect=True, ids=lambda kind: kind.program)
async def test_five_restarts_over_several_minutes_lose_nothing(cluster):
    """The same with a larger crowd, while minutes end and are reported in between."""
    programs, _ = cluster
    stayers, listeners = await _restarted(cluster, rounds=5, viewers=150, listeners=50, churners=20, pause_seconds=25)
    await _check_the_ledger(programs, stayers, listeners)
