"""One room over three real presence servers and Redis: the minute that the backend has of it is the truth."""

import asyncio
import os
import shutil
import signal
import time
from datetime import datetime

import pytest

from tests.end_to_end.crowd import Viewer

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="NOT RUN: there is no redis-server")

SLOT_SECONDS = 5.0
LATEST_START = 15.0
"""Seconds of a minute after which the scene would not end within it."""


class Truth:
    """Who was there from when to when, by the clock that the servers have, too."""

    def __init__(self) -> None:
        self.stays: list[tuple[float, float]] = []
        self._since: dict[Viewer, float] = {}

    async def comes(self, url: str) -> Viewer:
        viewer = Viewer()
        await viewer.join(url)
        self._since[viewer] = time.time()
        viewer.client.on("disconnect", lambda *_: self.went(viewer))
        return viewer

    def went(self, viewer: Viewer) -> None:
        if viewer in self._since:
            self.stays.append((self._since.pop(viewer), time.time()))

    def has(self, viewer: Viewer) -> bool:
        return viewer in self._since

    def seconds(self, start: float, end: float) -> float:
        stays = [*self.stays, *((since, end) for since in self._since.values())]
        return sum(max(0.0, min(until, end) - max(since, start)) for since, until in stays)


async def _next_slot() -> None:
    """Well inside the next slot: whatever is done now is over before its end."""
    await asyncio.sleep(SLOT_SECONDS - time.time() % SLOT_SECONDS + 0.8)


async def _lost(viewers: list[Viewer], truth: Truth) -> None:
    async with asyncio.timeout(30):
        while any(truth.has(viewer) for viewer in viewers):
            await asyncio.sleep(0.01)


@pytest.mark.timeout(300)
async def test_a_minute_over_three_nodes_is_the_truth(start_stack):
    """In each slot one node changes, then one is drained and its viewers come back elsewhere; no slot is missing."""
    stack = start_stack(presence=3).wait_ready()
    first, second, third = stack.presence_urls
    if time.time() % 60 > LATEST_START:
        await asyncio.sleep(60 - time.time() % 60)
    minute_at = time.time() // 60 * 60
    truth = Truth()

    await _next_slot()
    began_at = time.time()
    stays = [await truth.comes(first) for _ in range(3)]
    await _next_slot()
    stays += [await truth.comes(second) for _ in range(2)]
    await _next_slot()
    moves = [await truth.comes(third) for _ in range(4)]
    await _next_slot()
    await stays[0].client.call("leave", {"room": "auction:demo"})
    truth.went(stays[0])
    await _next_slot()
    os.kill(stack.pids_of("presence_server")[2], signal.SIGTERM)
    await _lost(moves, truth)
    moves = [await truth.comes(first) for _ in range(4)]
    await moves[0].sees(8)

    point = await _point(stack, minute_at)
    true_seconds = truth.seconds(minute_at, minute_at + 60)
    held_seconds = minute_at + 60 - began_at
    assert (point["minViewers"], point["peakViewers"], point["viewerCount"]) == (1, 9, 8)
    assert point["sampleCount"] == 12 - int((began_at - minute_at) // SLOT_SECONDS)
    assert point["avgViewers"] == pytest.approx(true_seconds / held_seconds, abs=0.2)
    for viewer in (*stays, *moves):
        await viewer.client.disconnect()


async def _point(stack, minute_at: float) -> dict:
    """The minute's point, once it is there and two nodes' parts are in it."""
    path = "/api/v1/auctions/demo/analytics/viewers?timeRange=all&resolution=1m"
    deadline = minute_at + 60 + 20
    while True:
        _, answer = await asyncio.to_thread(stack.call, "GET", path)
        points = {datetime.fromisoformat(p["timestamp"]).timestamp(): p for p in answer["data"]["snapshots"]}
        if time.time() > minute_at + 64 and minute_at in points:
            return points[minute_at]
        assert time.time() < deadline, "no snapshot after the minute"
        await asyncio.sleep(0.5)
