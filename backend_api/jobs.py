"""Background jobs: a table of name, period and coroutine, run by whichever process holds the lease.

The lease is a document with an expiry and a term (which counts its holders). It keeps two processes from doing the
same work; jobs are written so that two at once do no harm, for a process that was paused may not know that it lost it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from backend_api.db import UNAVAILABLE, Mongo

LEASES = "leases"
LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
RELEASE_SECONDS = 2.0
JITTER = 0.2
"""Periods vary by this share either way, so that jobs and processes do not beat in step."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the table. `run` is one round; the next one starts a period after it has ended."""

    name: str
    period_seconds: float
    run: Callable[[], Awaitable[None]]


class Lease:
    """The right to run the jobs; at most one process believes it has it, give or take what their clocks differ."""

    def __init__(self, mongo: Mongo, now: Callable[[], float], *, name: str = "jobs") -> None:
        self._collection = mongo[LEASES]
        self._now = now
        self._name = name
        self._holder = token_hex(8)
        self.term = 0

    async def acquire(self) -> bool:
        """Takes the lease if it is free, over, or ours without our knowing; `term` is then higher than any before.

        An answer can get lost, or be a refusal after the change was made: what is ours must not wait until it is over.
        """
        change = {"$set": {"holder": self._holder, "expires_at": self._now() + LEASE_SECONDS}, "$inc": {"term": 1}}
        free = {"_id": self._name, "$or": [{"expires_at": {"$lt": self._now()}}, {"holder": self._holder}]}
        try:
            taken = await self._collection.find_one_and_update(
                free, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:  # It is there and not free: the upsert found nothing to change.
            return False
        self.term = taken["term"] if taken else 0
        return taken is not None

    async def renew(self) -> bool:
        """Prolongs the lease; False where somebody else has it."""
        expires = {"$set": {"expires_at": self._now() + LEASE_SECONDS}}
        return (await self._collection.update_one(self._mine(), expires)).matched_count > 0

    async def release(self) -> None:
        """Lets the next one have it at once."""
        await self._collection.update_one(self._mine(), {"$set": {"expires_at": 0.0}})

    def _mine(self) -> dict[str, object]:
        # Not by its term: an `acquire` given up here may arrive there later, and the lease is ours all the same.
        return {"_id": self._name, "holder": self._holder}


class JobMetrics:
    """What the jobs did."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.runs = Counter("job_runs", "Rounds of background jobs", ["job", "outcome"], registry=registry)
        self.seconds = Histogram("job_seconds", "Time a round took", ["job"], registry=registry)
        self.leading = Gauge("jobs_leading", "1 while this process runs the jobs", registry=registry)


class Jobs:
    """Runs the table while this process holds the lease. `run` ends only by cancellation, and then gives it back."""

    def __init__(self, table: Sequence[Job], lease: Lease, metrics: JobMetrics) -> None:
        self._table = table
        self._lease = lease
        self._metrics = metrics
        self._working: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        contending = asyncio.create_task(self._contend())
        try:
            await asyncio.wait({contending})
            contending.result()
        finally:
            # In this order: a lease that is won while this ends still starts its jobs.
            await end([contending])
            await end(self._working)
            await self._give_back()

    async def _contend(self) -> None:
        while True:
            try:
                if await self._lease.acquire():
                    await self._lead()
            except UNAVAILABLE as error:
                log.warning("lease_not_reached", error=type(error).__name__)
            await asyncio.sleep(_jittered(RENEW_SECONDS))

    async def _lead(self) -> None:
        """Has the jobs run until the lease is another's or could not be renewed in time."""
        log.info("jobs_started", term=self._lease.term)
        self._metrics.leading.set(1)
        self._working = [asyncio.create_task(self._repeat(job)) for job in self._table]
        held_until = time.monotonic() + LEASE_SECONDS
        while time.monotonic() < held_until:
            await asyncio.sleep(RENEW_SECONDS)
            asked_at = time.monotonic()
            try:
                if not await self._lease.renew():
                    break
                held_until = asked_at + LEASE_SECONDS
            except UNAVAILABLE as error:
                log.warning("lease_not_renewed", error=type(error).__name__)
        log.warning("lease_lost", term=self._lease.term)
        await end(self._working)
        self._metrics.leading.set(0)

    async def _give_back(self) -> None:
        self._metrics.leading.set(0)
        try:
            await asyncio.wait_for(self._lease.release(), RELEASE_SECONDS)
        except (*UNAVAILABLE, TimeoutError):
            log.warning("lease_not_released", term=self._lease.term)

    async def _repeat(self, job: Job) -> None:
        while True:
            await self._once(job)
            await asyncio.sleep(_jittered(job.period_seconds))

    async def _once(self, job: Job) -> None:
        started = time.perf_counter()
        outcome = "failed"
        try:
            await job.run()
            outcome = "done"
        except UNAVAILABLE as error:
            log.warning("job_failed", job=job.name, error=type(error).__name__)
        except Exception:
            log.exception("job_failed", job=job.name)
        self._metrics.runs.labels(job.name, outcome).inc()
        self._metrics.seconds.labels(job.name).observe(time.perf_counter() - started)


async def end(tasks: Sequence[asyncio.Task[None]], *, again_seconds: float = 0.05) -> None:
    """Cancels the tasks, and again after each `again_seconds`, until they have ended.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which the driver calls, may swallow a cancellation.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=again_seconds)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing
