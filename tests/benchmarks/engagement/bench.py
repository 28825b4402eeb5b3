"""What engagement costs: batches stored, busy hours and days recounted, dashboards over a year of a million events."""

import argparse
import asyncio
import os
import platform
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pymongo import MongoClient, monitoring
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from backend_api.db import Mongo
from tests.backend_api.conftest import REAL, Clock, Daemon
from tests.backend_api.engagement.house import House
from tests.benchmarks.engagement.meter import Meter, Reads
from tests.benchmarks.engagement.scenes import FULL, NOW, QUICK, SCENES, Row, Scale, Scene, Stage, planned
from tests.benchmarks.engagement.table import markdown, verdict
from tests.benchmarks.options import some_of

PATIENT = "socketTimeoutMS=300000&connectTimeoutMS=300000&heartbeatFrequencyMS=300000"
"""Filling a busy machine's database may take longer than a server would wait."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_events", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the events, at most two minutes")
    scenes = list(SCENES)
    parser.add_argument("--only", type=some_of(scenes), default=scenes, help=f"scenes to run: {','.join(scenes)}")
    parser.add_argument("--seconds", type=float, help="the most that all may take, on a slow machine more than usual")
    parser.add_argument("--markdown", action="store_true", help="the table in Markdown on stdout, all else on stderr")
    options = parser.parse_args()
    console = Console(width=160, highlight=False, soft_wrap=True, stderr=options.markdown)
    names = [name for name in scenes if name in options.only]
    # Stopped or not, the database that it started is to end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    about = _about("before")
    console.print(about)
    scale = QUICK if options.quick else FULL
    rows = asyncio.run(_run(console, names, scale._replace(seconds=options.seconds or scale.seconds)))
    if options.markdown:
        print(f"`scripts/bench_events{' --quick' if options.quick else ''}`, {about}.\n\n{markdown(rows)}")
    console.print(_about("at the end"))


async def _run(console: Console, names: list[str], scale: Scale) -> list[Row]:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    rows: list[Row] = []
    monitoring.register(reads := Reads())
    end_at = asyncio.get_running_loop().time() + scale.seconds
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for name in names:
            bar = progress.add_task(name, total=planned(name, scale))
            try:
                async with asyncio.timeout_at(end_at):
                    await _play(SCENES[name], scale, reads, rows, progress, bar)
            except TimeoutError:
                progress.console.print(f"{name}: not finished within the {scale.seconds:.0f} s that all may take")
    return rows


async def _play(scene: Scene, scale: Scale, reads: Reads, rows: list[Row], progress: Progress, bar: TaskID) -> None:
    """One scene, on a database of its own; a row is printed as soon as it is known."""
    with tempfile.TemporaryDirectory() as folder:
        daemon = None if REAL in os.environ else Daemon(Path(folder))
        url, name = f"{daemon.url}&{PATIENT}" if daemon else os.environ[REAL], f"bench-{uuid4().hex[:12]}"
        mongo = Mongo(url, database=name, embedded=daemon is not None)
        beside = Mongo(url, database=name, embedded=daemon is not None)
        try:
            house = House(mongo, Clock(NOW), zone=UTC, raw_days=400)
            other = House(beside, Clock(NOW), zone=UTC, raw_days=400)
            meter = Meter(daemon and daemon.process.pid, reads, lambda: other.tracks.counters("t099"))
            stage = Stage(house, meter, scale, lambda events: progress.advance(bar, events))
            async for row in scene(stage):
                rows.append(row)
                progress.console.print(verdict(row))
        finally:
            await mongo.close()
            await beside.close()
            if daemon:
                daemon.stop()
            else:
                with MongoClient(url) as cleaner:
                    cleaner.drop_database(name)


def _about(when: str) -> str:
    model = next((s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")), ": unknown")
    where = "a real MongoDB" if REAL in os.environ else "the embedded database"
    loads = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores of {model.partition(': ')[2]}, "
        f"Python {platform.python_version()}, {where}, load averages {loads} {when}"
    )


if __name__ == "__main__":
    main()
