"""Background jobs under a lease."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from pymongo.errors import AutoReconnect

from backend_api import jobs
from backend_api.jobs import LEASE_SECONDS, Job, JobMetrics, Jobs, Lease


@pytest.fixture
def quick(monkeypatch):
    """Renewing many times a second instead of every ten."""
    monkeypatch.setattr(jobs, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(jobs, "LEASE_SECONDS", 0.5)


@asynccontextmanager
async def running(mongo, clock, *table):
    """Jobs of one process, and its metrics."""
    registry = CollectorRegistry()
    task = asyncio.create_task(Jobs(table, Lease(mongo, clock), JobMetrics(registry)).run())
    try:
        yield registry
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(happens):
    async with asyncio.timeout(30):
        while not happens():
            await asyncio.sleep(0.005)


def counting(counts, name, *, period=0.01, fail=None):
    async def run():
        counts[name] = counts.get(name, 0) + 1
        if fail:
            raise fail

    return Job(name, period, run)


async def test_one_process_has_the_lease(mongo, clock):
    """The other gets it when it is over or given back, with a higher term."""
    first, second = Lease(mongo, clock), Lease(mongo, clock)
    assert await first.acquire()
    assert not await second.acquire()
    clock.at += LEASE_SECONDS - 1
    assert await first.renew()
    clock.at += LEASE_SECONDS - 1
    assert not await second.acquire()
    clock.at += 2
    assert await second.acquire()
    assert second.term > first.term
    assert not await first.renew()
    await first.release()
    assert not await first.acquire()
    await second.release()
    assert await first.acquire()


async def test_whose_answer_was_lost_has_the_lease_all_the_same(mongo, clock):
    """The database knows the holder by its name, whatever the term: nobody else gets in between."""
    lease, other = Lease(mongo, clock), Lease(mongo, clock)
    assert await lease.acquire()
    known = lease.term
    assert not await other.acquire()
    assert await lease.acquire()
    assert lease.term > known
    lease.term = known  # So does one that was given up, and reaches the database after the next.
    assert await lease.renew()
    await lease.release()
    assert await other.acquire()


async def test_a_job_that_fails_is_counted_and_runs_again_and_disturbs_no_other(open_mongo, clock, quick):
    """The loop outlives whatever a round raises."""
    counts = {}
    table = [
        counting(counts, "broken", fail=ZeroDivisionError("oops")),
        counting(counts, "offline", fail=AutoReconnect("away")),
        counting(counts, "fine"),
    ]
    async with running(open_mongo(), clock, *table) as registry:
        await until(lambda: min(counts.values(), default=0) >= 3 and len(counts) == 3)
        for name, outcome in (("broken", "failed"), ("offline", "failed"), ("fine", "done")):
            assert registry.get_sample_value("job_runs_total", {"job": name, "outcome": outcome}) >= 2
        assert registry.get_sample_value("jobs_leading") == 1
    assert registry.get_sample_value("jobs_leading") == 0


async def test_a_lease_that_is_won_while_it_ends_leaves_no_job_behind(mongo, clock):
    """The driver may swallow the first cancellation: what is started after it ends all the same."""
    asking, working = asyncio.Event(), []

    class WonLate(Lease):
        async def acquire(self):
            asking.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return True

    async def work():
        working.append(asyncio.current_task())
        await asyncio.Event().wait()

    running = Jobs([Job("job", 0.01, work)], WonLate(mongo, clock), JobMetrics(CollectorRegistry())).run()
    task = asyncio.create_task(running)
    await asking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert working and all(one.done() for one in working)


async def test_only_one_process_runs_the_jobs_and_the_next_takes_over_at_once(open_mongo, clock, quick):
    """A process that stops gives the lease back; nobody waits for its expiry."""
    here, there = {}, {}
    async with running(open_mongo(), clock, counting(here, "job")):
        await until(lambda: here)
        async with running(open_mongo(), clock, counting(there, "job")) as registry:
            await until(lambda: here["job"] > 10)
            assert there == {}
            assert registry.get_sample_value("jobs_leading") == 0
    async with running(open_mongo(), clock, counting(there, "job")):
        await until(lambda: there)


async def test_a_process_that_lost_the_lease_stops_its_jobs(open_mongo, clock, quick):
    """Somebody took it while this one was paused: no further round until it has it again."""
    counts, mongo = {}, open_mongo()
    async with running(mongo, clock, counting(counts, "job")) as registry:
        await until(lambda: counts)
        clock.at += 10
        thief = Lease(mongo, clock)
        async with asyncio.timeout(30):
            while not await thief.acquire():
                clock.at += 10
        await until(lambda: registry.get_sample_value("jobs_leading") == 0)
        before = counts["job"]
        await asyncio.sleep(0.1)
        assert counts["job"] == before
        await thief.release()
        await until(lambda: counts["job"] > before)


async def test_a_long_round_is_cut_off_at_shutdown(open_mongo, clock, quick):
    """Stopping does not wait for a job; jobs are written to be cut off anywhere."""
    started = asyncio.Event()

    async def endless():
        started.set()
        await asyncio.Event().wait()

    async with running(open_mongo(), clock, Job("endless", 1, endless)):
        await asyncio.wait_for(started.wait(), 30)


async def test_a_cancellation_that_is_swallowed_once_does_not_keep_a_job_alive(open_mongo, clock, quick):
    """What the driver may do before Python 3.12 does not hold up a shutdown."""
    started, swallowed = asyncio.Event(), asyncio.Event()

    async def stubborn():
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.Event().wait()

    async with running(open_mongo(), clock, Job("stubborn", 1, stubborn)):
        await asyncio.wait_for(started.wait(), 30)
    assert swallowed.is_set()


async def test_jobs_begin_once_the_database_is_there(start_daemon, clock, quick):
    """Until then they try to get the lease, quietly."""
    from backend_api.db import Mongo

    daemon = start_daemon()
    daemon.stop()
    counts = {}
    mongo = Mongo(daemon.url + "&serverSelectionTimeoutMS=100", database="x")
    async with running(mongo, clock, counting(counts, "job")):
        await asyncio.sleep(0.3)
        assert counts == {}
        start_daemon(daemon.port)
        await until(lambda: counts)
    await mongo.close()
