"""The part of this program that carries sessions, put together: from the socket to the backend's record of it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from backend_api.client import BackendClient
from backend_api.contract.links import link_secrets
from backend_api.contract.session_tokens import token_secrets
from presence_server.auth import Gate
from presence_server.clock import Clock
from presence_server.config import Root
from presence_server.delivery.courier import Courier
from presence_server.delivery.outbox import Outbox, opened
from presence_server.door import FrontDoor
from presence_server.engine import Engine
from presence_server.folder import DataFolder
from presence_server.limits import AddressBook
from presence_server.rooms import CountChange, RoomCounter
from presence_server.sessions.calls import CallDoor, DurationTeller
from presence_server.sessions.intervals import Intervals
from presence_server.sessions.journal import Journal
from presence_server.sessions.lessons import LessonDoor
from presence_server.sessions.listening import ListeningDoor
from presence_server.sessions.namespaces import attach_sessions
from presence_server.sessions.reports import SessionReports
from presence_server.sessions.sessions import Floor, SessionSockets

SENDS_PER_SECOND = 100.0
"""Reports of sessions are small and have a queue of their own: viewer history never delays them."""

NEWS_SECONDS = 15
"""How soon the quality of a session that goes on is reported."""


class Carrying:
    """The namespaces of sessions and what they report through."""

    def __init__(self, settings: Root, clock: Clock, folder: DataFolder, outbox: Outbox, client: BackendClient) -> None:
        self._settings = settings
        self._clock = clock
        self._intervals = Intervals(settings.presence.node or folder.node(), clock.boot)
        self.outbox = outbox
        self.courier = Courier(outbox, client.post_report, SENDS_PER_SECOND)
        journal = Journal(folder.path / "intervals.log")
        self.reports = SessionReports(self._intervals, clock, journal, outbox, client.post_report)
        self.namespaces: list[SessionSockets] = []
        self._teller: DurationTeller | None = None

    def attach(
        self, engine: Engine, door: FrontDoor, counter: RoomCounter, changed: Callable[[CountChange], None], gate: Gate
    ) -> None:
        """Open the namespaces on the engine."""
        own = self._settings.presence
        floor = Floor(
            intervals=self._intervals,
            reports=self.reports,
            counter=counter,
            changed=changed,
            engine=engine,
            door=door,
            clock=self._clock,
            secrets=token_secrets(self._settings.internal.keys().values()),
            guests=AddressBook(own.limits.guest_sessions_per_address),
            silence_seconds=own.socket.ping_interval_seconds + own.socket.ping_timeout_seconds,
        )
        keys = self._settings.internal.keys().values()
        listening = SessionSockets("listening", ListeningDoor(gate).admit, floor)
        tutoring = SessionSockets("tutoring", LessonDoor(link_secrets(keys), self._clock.now).admit, floor)
        study = SessionSockets("study", CallDoor(gate).admit, floor)
        attach_sessions(engine.server, listening, end_event="stop", end_reason="stop")
        attach_sessions(engine.server, tutoring, end_event="end", end_reason="button")
        attach_sessions(engine.server, study, end_event="end", end_reason="stop")
        self.namespaces = [listening, tutoring, study]
        self._teller = DurationTeller(study, self._clock.now)

    def background(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside: filing, sending, the lease, what falls due."""
        return [self.reports.run(), self.courier.run(), self.reports.beat_for_ever(), self._tick()]

    def drain(self) -> None:
        """It is the server that closes from here on."""
        for namespace in self.namespaces:
            namespace.drain()

    async def flush(self) -> None:
        """The last reports onto the disk."""
        await self.reports.flush()

    async def send(self) -> None:
        """An attempt to bring them to the backend, and a last lease."""
        await self.courier.empty()
        await self.reports.beat()

    async def check(self) -> str | None:
        """For readiness: why sessions cannot be kept."""
        return self.outbox.trouble

    def __len__(self) -> int:
        return len(self._intervals)

    async def _tick(self) -> None:
        for second in itertools.count(1):
            await asyncio.sleep(1)
            if second % NEWS_SECONDS == 0:
                for report in self._intervals.news(self._clock.now()):
                    self.reports.add(report)
            for namespace in self.namespaces:
                namespace.tick()
            if self._teller is not None:
                self._teller.tell()
            self._intervals.forget(self._clock.now())


@asynccontextmanager
async def carrying(settings: Root, clock: Clock, folder: DataFolder, client: BackendClient) -> AsyncIterator[Carrying]:
    """Opens the sessions' outbox and files what an earlier process left behind. Raises OutboxRefused."""
    async with opened(folder.path / "sessions.db", settings.presence.outbox.max_bytes, clock.now) as outbox:
        carried = Carrying(settings, clock, folder, outbox, client)
        await carried.reports.recover()
        yield carried
