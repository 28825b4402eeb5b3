"""How long something takes, the CPU time of it here and in the database, what it reads, and what others feel of it."""

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pymongo import monitoring

from backend_api.engagement.documents import RAW

PROBE_SECONDS = 0.02


class Measured(NamedTuple):
    """Of one or several runs: each one's seconds; the CPU seconds and documents read are of one on average.

    `lags` are how much later than asked for the loop came back, `waits` how long another request took, in seconds.
    """

    seconds: list[float]
    here: float
    database: float
    raw_read: float
    read: float
    lags: list[float]
    waits: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Reads(monitoring.CommandListener):
    """Counts the documents that finds bring, by collection. For clients that are made after it was registered."""

    def __init__(self) -> None:
        self.documents: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Says nothing yet."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        cursor = event.reply.get("cursor")
        if event.command_name in ("find", "getMore") and cursor is not None:
            batch = cursor.get("firstBatch", cursor.get("nextBatch", ()))
            self.documents[cursor["ns"].partition(".")[2]] += len(batch)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Brought nothing."""


class Meter:
    """Measures runs; `other` is a request that goes on beside them."""

    def __init__(self, database_pid: int | None, reads: Reads, other: Callable[[], Awaitable[object]]) -> None:
        self._pid, self._reads, self._other = database_pid, reads, other

    async def measure(self, run: Callable[[], Awaitable[object]], times: int = 1, *, probes: bool = False) -> Measured:
        lags: list[float] = []
        waits: list[float] = []
        watchers = [asyncio.create_task(_watch_loop(lags))]
        if probes:
            watchers.append(asyncio.create_task(self._probe(waits)))
        before, here, database = self._reads.documents.copy(), time.process_time(), self._cpu()
        seconds = []
        for _ in range(times):
            with _timed(seconds):
                await run()
        here, database = time.process_time() - here, self._cpu() - database
        read = self._reads.documents - before
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        raw = sum(number for name, number in read.items() if name in RAW)
        return Measured(seconds, here / times, database / times, raw / times, read.total() / times, lags, waits)

    def _cpu(self) -> float:
        if self._pid is None:
            return 0.0
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def _probe(self, waits: list[float]) -> None:
        while True:
            with _timed(waits):
                await self._other()
            await asyncio.sleep(PROBE_SECONDS)


async def _watch_loop(lags: list[float]) -> None:
    while True:
        asked_at = time.perf_counter()
        await asyncio.sleep(PROBE_SECONDS)
        lags.append(time.perf_counter() - asked_at - PROBE_SECONDS)


@contextmanager
def _timed(seconds: list[float]) -> Iterator[None]:
    started_at = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - started_at)


def percentile(values: list[float], share: float) -> float:
    """Of no values, 0."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0
