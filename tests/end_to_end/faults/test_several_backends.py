"""Two backends on one database: jobs run on one of them, reports go to whichever answers."""

import asyncio
import os
import re
import signal
import time

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from backend_api.sessions.documents import HISTORY, LIVE
from backend_api.viewers.documents import PARTS, part_of
from tests.end_to_end.crowd import Listener, Stayer

BACKENDS = ("backend_api", "backend_api-2")


async def _metrics(programs, name):
    """Whether a backend leads, and how many rounds of each job it has run."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://{programs.address(name)}/metrics") as answer,
    ):
        text = await answer.text()
    runs = {job: float(count) for job, count in re.findall(r'^job_runs_total\{job="([^"]+)",.*\} (\S+)$', text, re.M)}
    return re.search(r"^jobs_leading 1\.0$", text, re.M) is not None, runs


async def _until_it_leads(programs, name, seconds=60):
    """And has run jobs."""
    async with asyncio.timeout(seconds):
        while not all(await _metrics(programs, name)):
            await asyncio.sleep(0.1)


async def _leader(programs):
    async with asyncio.timeout(60):
        while True:
            for name in BACKENDS:
                if all(await _metrics(programs, name)):
                    return name
            await asyncio.sleep(0.1)


@pytest.fixture
async def database(programs):
    client = AsyncMongoClient(programs.mongo_url)
    yield client["presence"]
    await client.close()


@pytest.mark.parametrize("moved", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["moved", "real time"])
async def test_jobs_run_on_one_backend_and_the_other_takes_over_from_a_dead_one(programs, database, moved):
    """Only the leader runs rounds; killed, its lease runs out, and the other does its work under a higher term."""
    await asyncio.gather(*(programs.start("backend_api", name) for name in BACKENDS))
    leader = await _leader(programs)
    [other] = set(BACKENDS) - {leader}
    assert await _metrics(programs, other) == (False, {})
    term = (await database.leases.find_one({"_id": "jobs"}))["term"]

    await programs.kill(leader)
    if moved:
        await database.leases.update_one({"_id": "jobs"}, {"$set": {"expires_at": time.time() - 1}})
    await _until_it_leads(programs, other, seconds=60)

    assert (await database.leases.find_one({"_id": "jobs"}))["term"] == term + 1
    await programs.start("backend_api", leader)
    assert await _metrics(programs, leader) == (False, {})


async def test_a_leader_that_is_stopped_hands_over_at_once(programs, database):
    """Nobody waits for the lease to run out, and what was left to do is done by the next one."""
    await asyncio.gather(*(programs.start("backend_api", name) for name in BACKENDS))
    leader = await _leader(programs)
    [other] = set(BACKENDS) - {leader}
    await programs.stop(leader)
    assert (await database.leases.find_one({"_id": "jobs"}))["expires_at"] == 0
    await _until_it_leads(programs, other)


async def _listen(programs, done, announced):
    """One short session after the other; every one that was acknowledged is noted."""
    number = 0
    while not done.is_set():
        listener = Listener(number := number + 1)
        await listener.open(programs.presence)
        await asyncio.sleep(0.05)
        await listener.stop()
        announced.append(listener.sessions[0]["sessionId"])


async def test_reports_go_to_the_backend_that_answers_and_none_is_lost_or_doubled(programs, database):
    """One is killed, comes back, the other is killed, then the first hangs: each acknowledged session is kept once."""
    await asyncio.gather(*(programs.start("backend_api", name) for name in BACKENDS))
    urls = ",".join(f'"http://{programs.address(name)}"' for name in BACKENDS)
    await programs.start("presence_server", PRESENCE__BACKEND__URLS=f"[{urls}]", PRESENCE__BACKEND__TIMEOUT_SECONDS="2")
    viewer, announced, done = Stayer(), [], asyncio.Event()
    await viewer.open(programs.presence)
    listening = [asyncio.create_task(_listen(programs, done, announced)) for _ in range(3)]
    first, second = BACKENDS

    await _stored(database, announced)
    await programs.kill(first)
    await _stored(database, announced)
    await programs.start("backend_api", first)
    await programs.kill(second)
    await _stored(database, announced)
    await programs.start("backend_api", second)
    os.kill(programs.children[first].pid, signal.SIGSTOP)
    await _stored(database, announced)
    os.kill(programs.children[first].pid, signal.SIGCONT)

    done.set()
    await asyncio.gather(*listening)
    await viewer.close()
    # A stop waits for them only so long; what is left would be on disk until the next start.
    async with asyncio.timeout(120):
        while not set(announced) <= await _kept(database):
            await asyncio.sleep(0.2)
    await programs.stop("presence_server")
    assert await _kept(database) == set(announced)
    parts = [part_of(document) async for document in database[PARTS].find({"r": "auction:demo"})]
    assert {f"{part.node}:{part.boot}" for part in parts} == set(viewer.epochs)
    stored = sum(slot.viewer_ms for part in parts for slot in part.slots.values()) / 1000
    assert stored == pytest.approx(viewer.viewer_seconds, rel=0.05, abs=1.0)


async def _stored(database, announced):
    """The sessions that are acknowledged from now on begin to arrive: a backend was found that takes them."""
    known = len(announced)
    async with asyncio.timeout(60):
        while len(announced) < known + 6:
            await asyncio.sleep(0.05)
        wanted = announced[known + 3]
        while not await _has(database, wanted):
            await asyncio.sleep(0.05)


async def _kept(database):
    return {session["_id"] for name in (LIVE, HISTORY) for session in await database[name].find().to_list()}


async def _has(database, session):
    return any([await database[name].find_one({"_id": session}) for name in (LIVE, HISTORY)])
