"""The presence server put together: what starts in which order, and how it ends. Decides nothing about rooms."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

import structlog
from aiohttp import web

from backend_api.client import BackendClient
from backend_api.service.documentation import documented
from backend_api.service.errors import StartError
from backend_api.service.health import Check, Health, health_table
from backend_api.service.identity import Identify
from backend_api.service.jwks import KeySource
from backend_api.service.metrics import Metrics
from backend_api.service.program import DISTRIBUTION
from backend_api.service.serving import cannot_listen, url_of
from backend_api.service.web import RUNNER_OPTIONS, build_app
from presence_server import http
from presence_server.auth import Gate, connecting_origins
from presence_server.broadcaster import Broadcaster
from presence_server.clock import Clock
from presence_server.config import PresenceSettings, Root
from presence_server.delivery.courier import Courier
from presence_server.delivery.outbox import Outbox, opened
from presence_server.door import FrontDoor
from presence_server.draining import drain
from presence_server.engine import Engine, EngineSettings, quiet_collector
from presence_server.errors import OutboxRefused
from presence_server.folder import DataFolder
from presence_server.history.checkpoint import Checkpoint
from presence_server.history.recorder import Recorder
from presence_server.metrics import PresenceCollector
from presence_server.namespaces import attach
from presence_server.presence.address import parse
from presence_server.presence.base import PresenceBackend
from presence_server.presence.memory import MemoryPresence
from presence_server.presence.redis import RedisPresence
from presence_server.presence.store import Store
from presence_server.rooms import CountChange, RoomCounter
from presence_server.sessions.metrics import SessionsCollector
from presence_server.sessions.wiring import Carrying, carrying
from presence_server.viewers import Rules, Viewers

log = structlog.get_logger(__name__)

DAY_SECONDS = 86_400.0
LAST_SENDS_SECONDS = 5.0
"""How long a shutdown tries to bring the last reports to the backend; what is left waits on the disk."""


class Presence(NamedTuple):
    """A running presence server."""

    url: str
    health: Health
    counter: RoomCounter
    outbox: Outbox


class _History(NamedTuple):
    """What remembers: from the change of a count to the backend."""

    outbox: Outbox
    courier: Courier
    recorder: Recorder


class _Live(NamedTuple):
    """What counts and tells."""

    engine: Engine
    viewers: Viewers
    counter: RoomCounter
    broadcaster: Broadcaster
    shared: PresenceBackend

    def announce(self, room: str) -> None:
        """The room changed on another node: who is in it here hears of it, too."""
        if room in self.counter:
            self.counter.touch(room)
            self.broadcaster.changed(room)


async def run(settings: Root, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
    """Serves until `stop` is set, then drains."""
    quiet_collector()
    async with running(settings) as presence:
        log.info("ready", url=presence.url)
        ready()
        await stop.wait()
        seconds = settings.presence.drain_seconds
        log.info("draining", seconds=seconds)
        presence.health.drain()
        await asyncio.sleep(seconds)


@asynccontextmanager
async def running(settings: Root) -> AsyncIterator[Presence]:
    """Starts everything from top to bottom. StartError where something outside is in the way."""
    own = settings.presence
    async with AsyncExitStack() as steps:
        # 1. The folder, for this process alone; a boot number that was never used in it.
        folder = steps.enter_context(DataFolder(own.data_dir))
        clock = Clock(folder.last_boot())
        folder.keep_first_boot(clock.boot)
        # 2. The keys of users' tokens.
        keys = await steps.enter_async_context(KeySource(settings.auth))
        # 3. The history: first of all what an earlier process left behind.
        counter = RoomCounter()
        shared = _sharing(own, folder, clock, counter)
        history = await _remember(steps, settings, folder, clock, shared)
        await history.recorder.recover()
        sessions = await _carry(steps, settings, folder, clock)
        # 4. Rooms and sockets, with nobody in them.
        live = _count(settings, clock, keys, counter, shared, history.recorder, sessions)
        troubles = {"outbox": _trouble_of(history.outbox), "recorder": _trouble_of(history.recorder)}
        health = Health({**troubles, "sessions": sessions.check}, degraded={"redis": shared.trouble})
        identify = Identify(settings.internal, settings.auth, keys)
        app = _application(settings, live, history, sessions, health, identify)
        # 5. The port.
        url = await _listen(live.engine, app, own)
        # 6. The background, once there is something to do for it.
        async with asyncio.TaskGroup() as group:
            work = (history.recorder.run(), history.courier.run(), _close_expired(live.viewers))
            beside = (*work, *sessions.background(), *shared.background(live.announce))
            background = [group.create_task(one) for one in beside]
            try:
                yield Presence(url, health, live.counter, history.outbox)
            finally:
                await _shut_down(health, live, history, sessions, background)


async def _shut_down(
    health: Health, live: _Live, history: _History, sessions: Carrying, background: list[asyncio.Task[None]]
) -> None:
    # 1. Balancers look elsewhere, and nobody new gets in.
    health.drain()
    live.engine.stop_listening()
    # 2. Those who are here are told when to come back, and are let go in slices; each is counted out.
    live.broadcaster.silence()
    sessions.drain()
    await drain(live.engine)
    # 3. Whatever else is connected.
    await live.engine.close()
    # 4. No more ticks, no more reports in the background.
    for task in background:
        task.cancel()
    await asyncio.wait(background)
    # 5. The other nodes hear that this one ends, and that nobody is here.
    await live.shared.leave()
    # 6. The open minute, as partial parts, and the ends of sessions, onto the disk.
    await history.recorder.flush()
    await sessions.flush()
    # 7. One bounded attempt to bring everything to the backend; the next process sends what is left.
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_SENDS_SECONDS):
            await sessions.send()
            await history.courier.empty()
    log.info("reports_left", reports=history.outbox.waiting + sessions.outbox.waiting)


def _sharing(own: PresenceSettings, folder: DataFolder, clock: Clock, counter: RoomCounter) -> PresenceBackend:
    """With Redis this process is one of many, without it counts alone."""
    if own.redis.url is None:
        return MemoryPresence()
    address, node = parse(own.redis.url), own.node or folder.node()
    return RedisPresence(partial(Store, address, node), node, clock, counter)


async def _remember(
    steps: AsyncExitStack, settings: Root, folder: DataFolder, clock: Clock, shared: PresenceBackend
) -> _History:
    own = settings.presence
    key = settings.internal.key_for("snapshots")
    client = BackendClient(own.backend.urls, key, timeout_seconds=own.backend.timeout_seconds)
    await steps.enter_async_context(client)
    try:
        outbox = await steps.enter_async_context(opened(folder.path / "outbox.db", own.outbox.max_bytes, clock.now))
    except OutboxRefused as error:
        raise StartError(f"the outbox cannot be opened: {error.reason}") from None
    node = own.node or folder.node()
    recorder = Recorder(node, clock, folder, Checkpoint(folder.path, node), outbox, shared.roster)
    # A day less than the backend keeps parts: it packs their hours while all parts of them are there.
    taken_for_seconds = (settings.backend.viewers.part_retention_days - 1) * DAY_SECONDS
    courier = Courier(
        outbox, client.post_report, own.outbox.sends_per_second, taken_for_seconds=taken_for_seconds, now=clock.now
    )
    return _History(outbox, courier, recorder)


async def _carry(steps: AsyncExitStack, settings: Root, folder: DataFolder, clock: Clock) -> Carrying:
    own = settings.presence
    key = settings.internal.key_for("sessions")
    client = BackendClient(own.backend.urls, key, timeout_seconds=own.backend.timeout_seconds)
    await steps.enter_async_context(client)
    try:
        return await steps.enter_async_context(carrying(settings, clock, folder, client))
    except OutboxRefused as error:
        raise StartError(f"the outbox of sessions cannot be opened: {error.reason}") from None


def _count(
    settings: Root,
    clock: Clock,
    keys: KeySource,
    counter: RoomCounter,
    shared: PresenceBackend,
    recorder: Recorder,
    sessions: Carrying,
) -> _Live:
    own = settings.presence
    urls = (own.public_url or url_of(own.host, own.port), settings.backend.public_url)
    door = FrontDoor(own.limits, own.trusted_proxies, clock.now)
    origins = connecting_origins(own.allowed_origins, *urls)
    engine = Engine(_engine_settings(own, origins, settings.backend.places.headers), door)

    def changed(change: CountChange) -> None:
        recorder.change(change)
        if shared.changed(change):
            broadcaster.changed(change.counts.room)

    gate = Gate(keys, settings.auth, clock.now)
    rules = Rules(own.limits, frozenset(own.public_kinds))
    viewers = Viewers(counter, shared, engine, door, gate, rules, clock, lambda: recorder.epoch, changed)
    call_later = asyncio.get_running_loop().call_later
    broadcaster = Broadcaster(viewers.announce, call_later, own.broadcast.updates_per_second)
    attach(engine.server, viewers)
    sessions.attach(engine, door, counter, changed, gate)
    return _Live(engine, viewers, counter, broadcaster, shared)


def _application(
    settings: Root, live: _Live, history: _History, sessions: Carrying, health: Health, identify: Identify
) -> web.Application:
    own, metrics = settings.presence, Metrics()
    metrics.registry.register(
        PresenceCollector(live.counter, live.shared, history.outbox, history.courier, history.recorder)
    )
    metrics.registry.register(SessionsCollector(sessions))
    app = build_app(
        documented("Presence server", version(DISTRIBUTION), [health_table(health, metrics), http.table]),
        identify=identify,
        metrics=metrics,
        services=[http.LiveCounts(live.counter, live.shared)],
        allowed_origins=connecting_origins(own.allowed_origins, settings.backend.public_url),
        trusted_proxies=own.trusted_proxies,
    )
    live.engine.attach(app)
    return app


def _engine_settings(own: PresenceSettings, origins: frozenset[str], kept: tuple[str, ...]) -> EngineSettings:
    socket = own.socket
    return EngineSettings(
        path=socket.path,
        transports=socket.transports,
        allowed_origins=origins,
        kept_headers=kept,
        ping_interval_seconds=socket.ping_interval_seconds,
        ping_timeout_seconds=socket.ping_timeout_seconds,
        max_payload_bytes=socket.max_payload_bytes,
    )


async def _listen(engine: Engine, app: web.Application, own: PresenceSettings) -> str:
    options = {"shutdown_timeout": 1.0, **RUNNER_OPTIONS}
    try:
        shared = own.processes > 1
        port = await engine.serve(app, own.host, own.port, reuse_port=shared, runner_options=options)
    except OSError as error:
        await engine.close()
        raise cannot_listen(own.host, own.port, error) from None
    return url_of(own.host, port)


async def _close_expired(viewers: Viewers) -> None:
    while True:
        await asyncio.sleep(1)
        viewers.close_expired()


def _trouble_of(part: Outbox | Recorder) -> Check:
    async def check() -> str | None:
        return part.trouble

    return check
