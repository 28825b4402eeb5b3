"""The main job on the real programs: sockets in, a count that moves, a minute in the history."""

import asyncio
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.end_to_end.crowd import Viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _cut_off_viewer(url: str, room: str) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("viewer_process.py")
    return subprocess.Popen([sys.executable, str(script), url, room], stdout=subprocess.PIPE, text=True)


async def _three_come_and_two_go(url: str, room: str) -> Viewer:
    """1, 2, 3; one leaves and one is cut off without closing: 2, 1. Gives the one who stays."""
    stays, leaves = Viewer(), Viewer()
    assert await stays.join(url, room) == 1
    assert await leaves.join(url, room) == 2
    cut = await asyncio.to_thread(_cut_off_viewer, url, room)
    assert await asyncio.to_thread(cut.stdout.readline) == "3\n"
    await stays.sees(3)
    assert (await leaves.client.call("leave", {"room": room}))["ok"] is True
    await stays.sees(2)
    cut.kill()
    cut.wait()
    await stays.sees(1)
    await leaves.client.disconnect()
    return stays


async def _points_through(programs, room, at):
    """Every point so far, once the minute of `at` is among them."""
    points = (await programs.get(f"/api/v1/rooms/{room}/analytics/viewers?timeRange=all&resolution=1m"))["snapshots"]
    minutes = [datetime.fromisoformat(point["timestamp"]).timestamp() for point in points]
    return points if at // 60 * 60 in minutes else []


async def test_a_count_moves_and_the_minute_arrives(shared, name):
    """Three sockets, a leave, a cut; after the minute the history has its min, peak, average and samples."""
    room = f"auction:{name}"
    stays = await _three_come_and_two_go(shared.presence, room)
    ended_at = time.time()
    deadline = time.monotonic() + 120  # A real minute of the real clock, once in the whole suite.
    # The scene may have crossed the end of a minute: then several snapshots tell it.
    while not (points := await _points_through(shared, room, ended_at)):
        assert time.monotonic() < deadline, "no snapshot after the minute"
        await asyncio.sleep(0.5)
    assert min(point["minViewers"] for point in points) == 1
    assert max(point["peakViewers"] for point in points) == 3
    assert points[-1]["viewerCount"] == 1
    assert all(point["minViewers"] <= point["avgViewers"] <= point["peakViewers"] for point in points)
    assert all(1 <= point["sampleCount"] <= 12 for point in points)
    await stays.client.disconnect()
