"""The main job on the real stack: sockets in, a count that moves, a minute in the history."""

import asyncio
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import socketio

ROOM = "auction:demo"
HISTORY = "/api/v1/auctions/demo/analytics/viewers?timeRange=all"


class Viewer:
    """One connected page and the counts that it was told."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.counts: list[int] = []
        self.client.on("viewerCountUpdate", lambda count, details: self.counts.append(count))

    async def join(self, url: str) -> int:
        await self.client.connect(url, transports=["websocket"])
        return (await self.client.call("join", {"auctionId": "demo"}))["viewerCount"]

    async def sees(self, count: int) -> None:
        async with asyncio.timeout(30):
            while not self.counts or self.counts[-1] != count:
                await asyncio.sleep(0.02)


def _cut_off_viewer(url: str) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("viewer_process.py")
    return subprocess.Popen([sys.executable, str(script), url, ROOM], stdout=subprocess.PIPE, text=True)


async def _three_come_and_two_go(url: str) -> Viewer:
    """1, 2, 3; one leaves and one is cut off without closing: 2, 1. Gives the one who stays."""
    stays, leaves = Viewer(), Viewer()
    assert await stays.join(url) == 1
    assert await leaves.join(url) == 2
    cut = await asyncio.to_thread(_cut_off_viewer, url)
    assert await asyncio.to_thread(cut.stdout.readline) == "3\n"
    await stays.sees(3)
    assert (await leaves.client.call("leave", {"room": ROOM}))["ok"] is True
    await stays.sees(2)
    cut.kill()
    cut.wait()
    await stays.sees(1)
    await leaves.client.disconnect()
    return stays


def _points(stack, path=HISTORY):
    status, answer = stack.call("GET", path)
    assert status == 200
    return answer["data"]["snapshots"]


def _points_through(stack, at):
    """Every point so far, once the minute of `at` is among them."""
    points = _points(stack, HISTORY + "&resolution=1m")
    minutes = [datetime.fromisoformat(point["timestamp"]).timestamp() for point in points]
    return points if at // 60 * 60 in minutes else []


async def test_a_count_moves_and_the_minute_arrives(start_stack):
    """Three sockets, a leave, a cut; after the minute the history has its min, peak, average and samples."""
    stack = start_stack().wait_ready()
    stays = await _three_come_and_two_go(stack.presence)
    ended_at = time.time()
    deadline = time.monotonic() + 75  # A real minute of the real clock, once in the whole suite.
    # The scene may have crossed the end of a minute: then two snapshots tell it.
    while not (points := await asyncio.to_thread(_points_through, stack, ended_at)):
        assert time.monotonic() < deadline, "no snapshot after the minute"
        await asyncio.sleep(0.5)
    assert min(point["minViewers"] for point in points) == 1
    assert max(point["peakViewers"] for point in points) == 3
    assert points[-1]["viewerCount"] == 1
    assert all(point["minViewers"] <= point["avgViewers"] <= point["peakViewers"] for point in points)
    assert all(1 <= point["sampleCount"] <= 12 for point in points)
    await stays.client.disconnect()


async def test_nothing_is_saved_where_analytics_are_off_and_the_open_minute_survives_a_shutdown(start_stack):
    """A disabled room leaves no history; an enabled one keeps the minute that a shutdown cut short."""
    stack = start_stack().wait_ready()
    off = {"enableViewerAnalytics": False}
    status, answer = await asyncio.to_thread(stack.call, "PATCH", "/api/v1/auctions/quiet/settings", off)
    assert (status, answer["data"]) == (200, off)
    loud, quiet = Viewer(), Viewer()
    await loud.join(stack.presence)
    await quiet.client.connect(stack.presence, transports=["websocket"])
    await quiet.client.call("join", {"room": "auction:quiet"})
    await asyncio.to_thread(stack.stop)

    again = await asyncio.to_thread(lambda: start_stack().wait_ready())

    assert [p["peakViewers"] for p in await asyncio.to_thread(_points, again)] == [1]
    assert await asyncio.to_thread(_points, again, HISTORY.replace("demo", "quiet")) == []


async def test_a_killed_presence_server_loses_no_closed_slot(start_stack):
    """After kill -9 the next start files what the dead one had closed; the count starts at zero."""
    stack = start_stack().wait_ready()
    viewer = Viewer()
    await viewer.join(stack.presence)
    checkpoint = stack.data / "presence"
    deadline = time.monotonic() + 20
    while not any(b"auction:demo" in path.read_bytes() for path in checkpoint.glob("checkpoint*")):
        assert time.monotonic() < deadline, "no slot was written"
        await asyncio.sleep(0.1)
    stack.kill("presence_server")
    await asyncio.to_thread(stack.wait_ended)

    again = await asyncio.to_thread(lambda: start_stack().wait_ready())
    deadline = time.monotonic() + 20
    while not (points := await asyncio.to_thread(_points, again)):
        assert time.monotonic() < deadline, "the dead server's minute did not arrive"
        await asyncio.sleep(0.1)

    assert (points[0]["peakViewers"], points[0]["minViewers"]) == (1, 1)
    assert await Viewer().join(again.presence) == 1
