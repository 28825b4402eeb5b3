"""Sessions begin, go on and end while the backend is away and the presence server is killed: the ledger is right."""

import asyncio
import time
from itertools import pairwise

import pytest
import socketio

from tests.clients import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRACE_SECONDS = 15.0
SLACK_SECONDS = 2.0
KILL_SECONDS = 6.0
"""A kill may take the five seconds since the last sign of life, and the one that is going on."""


class Listener:
    """One person who plays, and when they really did so. What the server acknowledged is in `sessions`."""

    def __init__(self, channel: str, name: str) -> None:
        self.name = name
        self._channel = channel
        self.token: str | None = None
        self.sessions: set[str] = set()
        self.stretches: list[tuple[float, float]] = []
        self.kills = 0
        self._unsure_seconds = 0.0
        self._client: socketio.AsyncClient | None = None
        self._since = 0.0

    async def play(self, url: str) -> None:
        self._client, heard = Client(reconnection=False), asyncio.Queue()
        self._client.on("session", heard.put, namespace="/listening")
        token = {"sessionToken": self.token} if self.token else {}
        auth = {"channelId": self._channel, "listenerId": self.name} | token
        self._since = time.monotonic()
        await self._client.connect(url, transports=["websocket"], auth=auth, namespaces=["/listening"])
        async with asyncio.timeout(30):
            session = await heard.get()
        self._unsure_seconds += time.monotonic() - self._since
        self.token = session["sessionToken"]
        self.sessions.add(session["sessionId"])

    async def stop(self) -> None:
        """Acknowledged: from here on nothing may undo it."""
        asked = time.monotonic()
        assert (await self._client.call("stop", namespace="/listening", timeout=30))["ok"] is True
        self._unsure_seconds += time.monotonic() - asked
        self.token = None
        await self.leave()

    async def leave(self) -> None:
        self.stretches.append((self._since, time.monotonic()))
        await self._client.disconnect()

    def killed(self) -> None:
        """The server is gone; what was played since is known up to its last sign of life."""
        self.stretches.append((self._since, time.monotonic()))
        self.kills += 1

    def bounds(self) -> tuple[float, float]:
        """What the record has to lie between. Flaps within the grace are bridged; a kill's began seconds before it."""
        stretches = sorted(self.stretches)
        played = sum(end - start for start, end in stretches)
        gaps = [after[0] - before[1] for before, after in pairwise(stretches)]
        least = played + sum(gap for gap in gaps if gap + KILL_SECONDS <= GRACE_SECONDS) - KILL_SECONDS * self.kills
        most = played + sum(gap for gap in gaps if gap - SLACK_SECONDS <= GRACE_SECONDS)
        return least - self._unsure_seconds - SLACK_SECONDS, most + SLACK_SECONDS


async def settled(programs, path, wanted, seconds=60.0):
    """The list, once it is as wanted; the last state where it never is."""
    deadline = time.monotonic() + seconds
    while True:
        listed = (await programs.get(path))["sessions"]
        if wanted(listed) or time.monotonic() > deadline:
            return listed
        await asyncio.sleep(0.3)


async def test_nothing_acknowledged_is_lost_or_doubled(shared, name):
    """The backend killed, presence killed twice, people stop, come back and begin: each session once, to the second."""
    people = [Listener(name, f"l{number}") for number in range(12)]
    stoppers, stayers, comers = people[:4], people[4:8], people[8:]
    for one in (*stoppers, *stayers):
        await one.play(shared.presence)
    await shared.kill("backend_api")
    await asyncio.sleep(3)
    for one in stoppers[:2]:
        await one.stop()
    await shared.kill("presence_server")
    for one in (*stoppers[2:], *stayers):
        one.killed()
    await shared.start("presence_server")
    for one in (*stoppers[2:], *stayers, *comers):
        await one.play(shared.presence)
    await asyncio.sleep(3)
    for one in (*stoppers[2:], *comers[:2]):
        await one.stop()
    await shared.kill("presence_server")
    for one in (*stayers, *comers[2:]):
        one.killed()
    await shared.start("backend_api")
    await shared.start("presence_server")
    for one in (*stayers, *comers[2:]):
        await one.play(shared.presence)
    await asyncio.sleep(2)
    for one in (*stayers, *comers[2:]):
        await one.stop()

    path = f"/listening-sessions?channelId={name}&limit=500"
    listed = await settled(shared, path, lambda rows: len(rows) >= 12 and all(r["status"] == "completed" for r in rows))

    assert sorted(row["id"] for row in listed) == sorted(session for one in people for session in one.sessions)
    assert {row["status"] for row in listed} == {"completed"}
    assert all(len(one.sessions) == 1 for one in people)
    seconds = {row["listenerId"]: row["durationSeconds"] for row in listed}
    for one in people:
        least, most = one.bounds()
        assert least <= seconds[one.name] <= most, one.name
    for period in ("today", "all_time"):
        total = await shared.get(f"/analytics/channels/{name}/listening-time?period={period}")
        assert (total["totalSessions"], total["totalSeconds"], total["uniqueListeners"]) == (
            12, sum(row["countedSeconds"] for row in listed), 12,
        )  # fmt: skip
