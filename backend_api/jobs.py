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
from pymongo.errors import DuplicateKeyError, PyMongoError

from backend_api.db import Mongo

LEASES = "leases"
LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
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
        """Takes the lease if it is free or over; `term` is then higher than any holder's before."""
        change = {"$set": {"holder": self._holder, "expires_at": self._now() + LEASE_SECONDS}, "$inc": {"term": 1}}
        free = {"_id": self._name, "expires_at": {"$lt": self._now()}}
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
        return {"_id": self._name, "holder": self._holder, "term": self.term}


class JobMetrics:
    """What the jobs did."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.runs = Counter("job_runs", "Rounds of background jobs", ["job", "outcome"], registry=registry)
        self.seconds = Histogram("job_seconds", "Time a round took", ["job"], registry=registry)
        self.leading = Gauge("jobs_leading", "1 while this process runs the jobs", registry=registry)


class LeaseLost(Exception):  # noqa: N818 - an event, not a fault
    """Somebody else runs the jobs now."""


class Jobs:
    """Runs the table while this process holds the lease. `run` ends only by cancellation, and then gives it back."""

    def __init__(self, table: Sequence[Job], lease: Lease, metrics: JobMetrics) -> None:
        self._table = table
        self._lease = lease
        self._metrics = metrics

    async def run(self) -> None:
        while True:
            try:
                if await self._lease.acquire():
                    await self._lead()
            except PyMongoError as error:
                log.warning("lease_not_reached", error=type(error).__name__)
            await asyncio.sleep(_jittered(RENEW_SECONDS))

    async def _lead(self) -> None:
        log.info("jobs_started", term=self._lease.term)
        self._metrics.leading.set(1)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hold())
                for job in self._table:
                    group.create_task(self._repeat(job))
        except* LeaseLost:
            log.warning("lease_lost", term=self._lease.term)
        finally:
            self._metrics.leading.set(0)

    async def _hold(self) -> None:
        """Renews the lease; LeaseLost once it is another's or could not be renewed in time."""
        held_until = time.monotonic() + LEASE_SECONDS
        try:
            while time.monotonic() < held_until:
                await asyncio.sleep(RENEW_SECONDS)
                renewed_at = time.monotonic()
                try:
                    if not await self._lease.renew():
                        raise LeaseLost
                    held_until = renewed_at + LEASE_SECONDS
                except PyMongoError as error:
                    log.warning("lease_not_renewed", error=type(error).__name__)
            raise LeaseLost
        except asyncio.CancelledError:
            await self._give_back()
            raise

    async def _give_back(self) -> None:
        try:
            await asyncio.wait_for(self._lease.release(), 2)
        except (PyMongoError, TimeoutError):
            log.warning("lease_not_released", term=self._lease.term)

    async def _repeat(self, job: Job) -> None:
        while True:
            await self._once(job)
            await asyncio.sleep(_jittered(job.period_seconds))

    async def _once(self, job: Job) -> None:
        started = time.perf_counter()
        try:
            await job.run()
        except Exception:
            log.exception("job_failed", job=job.name)
            self._metrics.runs.labels(job.name, "failed").inc()
        else:
            self._metrics.runs.labels(job.name, "done").inc()
        finally:
            self._metrics.seconds.labels(job.name).observe(time.perf_counter() - started)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing
