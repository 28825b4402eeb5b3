"""Engagement on the real programs: killed in the middle of batches, the backend has everything once."""

import asyncio
import time

import aiohttp
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

BATCHES, SIZE = 16, 100


async def send(programs, events):
    """What became of them; None where the backend is gone."""
    try:
        return await programs.tell("POST", "/api/stats/events", events)
    except (OSError, aiohttp.ClientError):
        return None


async def until(condition, seconds=180):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.2)


async def kill_soon(programs):
    await asyncio.sleep(0.02)
    await programs.kill("backend_api")


@pytest.mark.timeout(400)
async def test_a_backend_that_is_killed_mid_batch_loses_and_doubles_nothing(shared, name):
    """Every batch is sent until it is answered; counters, rollups and the audit agree with what was sent."""
    await shared.tell("PUT", f"/api/tracks/{name}", {"artistId": name, "title": "One", "durationSeconds": 180})
    now, seen, broken = round(time.time() * 1_000), 0, 0
    for batch in range(BATCHES):
        events = [
            {"type": "play", "trackId": name, "sessionId": "s", "timestamp": now - index * 60_000, "source": "search",
             "eventId": f"{name}-{batch}-{index}"}
            for index in range(SIZE)
        ]  # fmt: skip
        killing = asyncio.create_task(kill_soon(shared)) if batch in (4, 10) else None
        while (data := await send(shared, events)) is None:
            broken += 1
            await killing
            await shared.start("backend_api")
        seen += data["accepted"] + data["duplicates"]
        if killing is not None and not killing.done():
            await killing
            await shared.start("backend_api")
    assert broken > 0
    assert seen == BATCHES * SIZE

    async def is_rolled_up():
        return (await shared.get("/api/admin/rollups"))["openDays"] == 0

    await until(is_rolled_up)
    audit = await shared.get(f"/api/admin/tracks/{name}/audit")
    assert audit["counters"]["playCount"] == BATCHES * SIZE
    assert audit["equal"]
    figures = await shared.get(f"/api/stats/analytics?trackId={name}&timeRange=7d", shared.token("admin"))
    assert figures["totalPlays"] == BATCHES * SIZE
