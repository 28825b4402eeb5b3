"""The backend put together: what starts in which order, and stops in the opposite one. Knows no feature by name."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

import structlog
from aiohttp import web
from pymongo.errors import PyMongoError

from backend_api.config import BackendSettings, Root
from backend_api.db import Mongo
from backend_api.features import FEATURES, Feature, Parts
from backend_api.jobs import RELEASE_SECONDS, JobMetrics, Jobs, Lease, end
from backend_api.places import Places
from backend_api.service.documentation import documented
from backend_api.service.health import Health, health_table
from backend_api.service.identity import Identify
from backend_api.service.jwks import KeySource
from backend_api.service.metrics import Metrics
from backend_api.service.origins import origin_of
from backend_api.service.program import DISTRIBUTION
from backend_api.service.routes import RouteTable
from backend_api.service.serving import serving
from backend_api.service.web import build_app

log = structlog.get_logger(__name__)

Now = Callable[[], float]
MakeApp = Callable[[Iterable[RouteTable]], web.Application]


class Backend(NamedTuple):
    """A running backend. `internal_url` is where internal paths are, where they have an address of their own."""

    url: str
    internal_url: str | None
    health: Health


async def run(settings: Root, stop: asyncio.Event) -> None:
    """Serves until `stop` is set, then drains."""
    async with running(settings) as backend:
        await stop.wait()
        log.info("draining", seconds=settings.backend.drain_seconds)
        backend.health.drain()
        await asyncio.sleep(settings.backend.drain_seconds)


async def check(settings: Root) -> None:
    """ConfigError where the database's client cannot be made: a URL or a driver that is none. Connects nowhere."""
    async with _database(settings.backend):
        pass


@asynccontextmanager
async def running(settings: Root, *, now: Now = time.time) -> AsyncIterator[Backend]:
    """Starts everything from top to bottom; on leaving, it stops from the bottom to the top.

    The database may be away: then the backend runs without being ready until it is there.
    """
    async with AsyncExitStack() as steps:
        # 1. The keys of users' tokens.
        keys = await steps.enter_async_context(KeySource(settings.auth))
        # 2. The database; closed only when nobody uses it any more.
        mongo = await steps.enter_async_context(_database(settings.backend))
        # 3. The features, built but idle.
        metrics, health = Metrics(), Health({"database": mongo.check})
        parts = Parts(settings, mongo, _places(settings.backend), metrics.registry, now)
        features = [build(parts) for build in FEATURES]
        # 4. The ports. On the way out they close first and requests in flight finish.
        identify = Identify(settings.internal, settings.auth, keys, now=now)
        make = _maker(settings, identify, metrics, features, now)
        tables = [health_table(health, metrics), *(feature.table for feature in features)]
        url, internal_url = await _open(steps, settings.backend, tables, make)
        # 5. Indexes, then the jobs; jobs are the first to stop.
        jobs = Jobs(
            [job for feature in features for job in feature.jobs], Lease(mongo, now), JobMetrics(metrics.registry)
        )
        await steps.enter_async_context(_beside(_work(mongo, features, jobs, url)))
        yield Backend(url, internal_url, health)


@asynccontextmanager
async def _database(settings: BackendSettings) -> AsyncIterator[Mongo]:
    chosen = settings.mongo
    mongo = Mongo(chosen.url, database=chosen.database, driver=chosen.driver, embedded=chosen.embedded)
    try:
        yield mongo
    finally:
        await mongo.close()


def _places(settings: BackendSettings) -> Places:
    told = settings.places
    return Places(
        told.file,
        country_header=told.country_header,
        region_header=told.region_header,
        trusted=settings.trusted_proxies,
    )


def _maker(settings: Root, identify: Identify, metrics: Metrics, features: Sequence[Feature], now: Now) -> MakeApp:
    presence = settings.presence.public_url
    own = [settings.backend.public_url] if settings.backend.public_url else []

    def make(tables: Iterable[RouteTable]) -> web.Application:
        return build_app(
            documented("Presence backend", version(DISTRIBUTION), list(tables)),
            identify=identify,
            metrics=metrics,
            now=now,
            services=[identify, *(service for feature in features for service in feature.services)],
            allowed_origins={*settings.backend.allowed_origins, *map(origin_of, (presence, *own))},
            trusted_proxies=settings.backend.trusted_proxies,
            connect_to=[origin_of(presence)],
            unavailable=(PyMongoError,),
            nowhere=next((feature.nowhere for feature in features if feature.nowhere), None),
        )

    return make


async def _open(
    steps: AsyncExitStack, settings: BackendSettings, tables: Sequence[RouteTable], make: MakeApp
) -> tuple[str, str | None]:
    """Opens the public port, and before it the internal one where there is one; their URLs."""
    internal_url = None
    if settings.internal_host is not None:
        internal_url = await steps.enter_async_context(
            serving(make(tables), settings.internal_host, settings.internal_port)
        )
        tables = [table.without_internal() for table in tables]
    return await steps.enter_async_context(serving(make(tables), settings.host, settings.port)), internal_url


async def _work(mongo: Mongo, features: Sequence[Feature], jobs: Jobs, url: str) -> None:
    log.info("listening", url=url)
    await mongo.ensure([index for feature in features for index in feature.indexes])
    log.info("ready", url=url)
    await jobs.run()


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` beside the body; should it fail, the body is cancelled and the program ends with its error."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        yield
        await end([task], again_seconds=2 * RELEASE_SECONDS)
