"""People who come, stay and come back over real sockets, and what they were told: the truth that records must match."""

import asyncio
import contextlib
import random
import time

from socketio.exceptions import SocketIOError

from tests.clients import Client

ROOM = "auction:demo"
QUICK = {"reconnection_delay": 0.1, "reconnection_delay_max": 0.5}


class Viewer:
    """One connected page and the counts that it was told."""

    def __init__(self) -> None:
        self.client = Client(reconnection=False)
        self.counts: list[int] = []
        self.client.on("viewerCountUpdate", lambda count, details: self.counts.append(count))

    async def join(self, url: str, room: str = ROOM) -> int:
        await self.client.connect(url, transports=["websocket"])
        return (await self.client.call("join", {"auctionId": room.removeprefix("auction:")}))["viewerCount"]

    async def sees(self, count: int) -> None:
        async with asyncio.timeout(30):
            while not self.counts or self.counts[-1] != count:
                await asyncio.sleep(0.02)


class Stayer:
    """A viewer who stays through everything: joins again after each reconnect, and notes when it was counted."""

    def __init__(self) -> None:
        self.client = Client(**QUICK)
        self.epochs: list[str] = []
        """The epoch of every join that was acknowledged."""
        self.viewer_seconds = 0.0
        self.unsure_seconds = 0.0
        """How long the joins took: from when in them the viewer was counted, only the server knows."""
        self.told_to_go = 0
        self._since: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.client.on("connect", self._connected)
        self.client.on("disconnect", self._disconnected)
        self.client.on("server:draining", self._draining)

    @property
    def is_counted(self) -> bool:
        return self._since is not None

    async def open(self, url: str) -> None:
        await self.client.connect(url, transports=["websocket"])

    async def close(self) -> None:
        await self.client.disconnect()

    def _connected(self) -> None:
        task = asyncio.create_task(self._join())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self) -> None:
        with contextlib.suppress(SocketIOError):  # It was sent away meanwhile: the next connect joins.
            asked = time.monotonic()
            answer = await self.client.call("join", {"room": ROOM}, timeout=30)
            self._since = time.monotonic()
            self.unsure_seconds += self._since - asked
            self.epochs.append(answer["epoch"])

    def _disconnected(self, _reason: str) -> None:
        if self._since is not None:
            self.viewer_seconds += time.monotonic() - self._since
        self._since = None

    def _draining(self, _details: dict[str, int]) -> None:
        self.told_to_go += 1


class Listener:
    """Somebody who listens through everything, with the token that it was given."""

    def __init__(self, number: int) -> None:
        self.client = Client(**QUICK)
        self.sessions: list[dict] = []
        """Every `session` that was announced: an acknowledged start, or a resumption."""
        self._auth = {"channelId": "c1", "listenerId": f"l{number}"}
        self.client.on("session", self.sessions.append, namespace="/listening")

    async def open(self, url: str) -> None:
        await self.client.connect(url, transports=["websocket"], auth=self._who, namespaces=["/listening"])
        async with asyncio.timeout(30):
            while not self.sessions:
                await asyncio.sleep(0.01)

    def _who(self) -> dict[str, str]:
        token = {"sessionToken": self.sessions[-1]["sessionToken"]} if self.sessions else {}
        return self._auth | token

    async def stop(self) -> None:
        assert (await self.client.call("stop", namespace="/listening", timeout=30))["ok"] is True
        await self.client.disconnect()


async def come_and_go(url: str, room: str, seed: int) -> None:
    """Short visits for ever; whoever is sent away or refused tries again."""
    dice = random.Random(seed)
    while True:
        client = Client(reconnection=False)
        with contextlib.suppress(SocketIOError, OSError, TimeoutError):
            try:
                await client.connect(url, transports=["websocket"])
                await client.call("join", {"room": room}, timeout=30)
                await asyncio.sleep(dice.uniform(0.1, 1.0))
            finally:
                await client.disconnect()
        await asyncio.sleep(dice.uniform(0.05, 0.5))
