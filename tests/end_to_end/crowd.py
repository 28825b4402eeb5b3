"""People who come, stay and come back over real sockets, and what they were told: the truth that records must match."""

import asyncio
import contextlib
import random
import time

import socketio
from socketio.exceptions import SocketIOError

ROOM = "auction:demo"
QUICK = {"reconnection_delay": 0.1, "reconnection_delay_max": 0.5}


class Stayer:
    """A viewer who stays through everything: joins again after each reconnect, and notes when it was counted."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(**QUICK)
        self.epochs: list[str] = []
        """The epoch of every join that was acknowledged."""
        self.away: list[float] = []
        """How many seconds each gap lasted."""
        self.viewer_seconds = 0.0
        self.told_to_go = 0
        self._since: float | None = None
        self._left_at: float | None = None
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
            answer = await self.client.call("join", {"room": ROOM}, timeout=30)
            now = time.monotonic()
            self.epochs.append(answer["epoch"])
            if self._left_at is not None:
                self.away.append(now - self._left_at)
            self._since, self._left_at = now, None

    def _disconnected(self, _reason: str) -> None:
        now = time.monotonic()
        if self._since is not None:
            self.viewer_seconds += now - self._since
            self._left_at = now
        self._since = None

    def _draining(self, _details: dict[str, int]) -> None:
        self.told_to_go += 1


class Listener:
    """Somebody who listens through everything, with the token that it was given."""

    def __init__(self, number: int) -> None:
        self.client = socketio.AsyncClient(**QUICK)
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
        client = socketio.AsyncClient(reconnection=False)
        with contextlib.suppress(SocketIOError, OSError, TimeoutError):
            try:
                await client.connect(url, transports=["websocket"])
                await client.call("join", {"room": room}, timeout=30)
                await asyncio.sleep(dice.uniform(0.1, 1.0))
            finally:
                await client.disconnect()
        await asyncio.sleep(dice.uniform(0.05, 0.5))
