"""The backend killed or away while the presence server counts on."""

import asyncio
import time

import pytest

from tests.clients import Client

HISTORY = "/api/v1/rooms/auction:demo/analytics/viewers?timeRange=all&resolution=1m"


async def _join(url: str, room: str = "auction:demo") -> Client:
    client = Client(reconnection=False)
    await client.connect(url, transports=["websocket"])
    assert (await client.call("join", {"room": room}))["ok"] is True
    return client


@pytest.mark.asyncio(loop_scope="session")
async def test_a_backend_killed_and_started_again_has_every_part_once(shared, name):
    """Parts that could not be delivered wait on disk; the presence server's own end does not lose them."""
    viewer = await _join(shared.presence, f"auction:{name}")
    await shared.kill("backend_api")
    await viewer.disconnect()
    await shared.stop("presence_server")

    await shared.start("backend_api")
    history = HISTORY.replace("demo", name)
    assert (await shared.get(history))["snapshots"] == []
    await shared.start("presence_server")

    deadline = time.monotonic() + 60
    while not (points := (await shared.get(history))["snapshots"]):
        assert time.monotonic() < deadline, "the part did not arrive"
        await asyncio.sleep(0.1)
    assert sum(point["peakViewers"] for point in points) == len(points)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_three_minutes_without_a_backend_lose_and_double_no_minute(programs):
    """Five real minutes, the backend away for three of them: one point for each, twelve samples in the whole ones."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    viewer = await _join(programs.presence)
    await asyncio.sleep(62)
    await programs.kill("backend_api")
    await asyncio.sleep(182)
    await programs.start("backend_api")
    await asyncio.sleep(62)
    await viewer.disconnect()
    await programs.stop("presence_server")

    answer = await programs.get(HISTORY)

    minutes = [point["timestamp"] for point in answer["snapshots"]]
    assert len(minutes) == len(set(minutes)) >= 5
    assert [point["sampleCount"] for point in answer["snapshots"][1:-1]] == [12] * (len(minutes) - 2)
    assert {point["peakViewers"] for point in answer["snapshots"]} == {1}
