"""`scripts/rebuild_rollups`: marks a range of days on a running backend and waits until all of it is recounted."""

import argparse
import asyncio
import sys
from datetime import UTC, date, datetime, timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scripts.stack.backend import Backend, BackendError, add_options, from_options

LOOK_SECONDS = 0.5


async def rebuild(backend: Backend, first: date, last: date, progress: Progress) -> int:
    """How many days of tracks were marked."""
    asked = {"from": first.isoformat(), "to": last.isoformat()}
    marked = int((await backend.call("POST", "/api/admin/rollups", asked))["openDays"])
    bar = progress.add_task("recounting", total=marked)
    while open_days := int((await backend.call("GET", "/api/admin/rollups"))["openDays"]):
        progress.update(bar, completed=max(0, marked - open_days))
        await asyncio.sleep(LOOK_SECONDS)
    progress.update(bar, completed=marked)
    return marked


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    today = datetime.now(UTC).date()
    parser = argparse.ArgumentParser(
        prog="scripts/rebuild_rollups", description="Recounts the figures of a range of days from the raw events."
    )
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=today - timedelta(days=30))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=today, help="today unless given")
    add_options(parser)
    return parser.parse_args(argv)


async def _run(options: argparse.Namespace) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with from_options(options) as backend:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            return await rebuild(backend, options.first, options.last, progress)


def main(argv: list[str] | None = None) -> int:
    """Exit 1 with one line where it cannot be done."""
    try:
        marked = asyncio.run(_run(_arguments(argv)))
    except BackendError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"recounted {marked} days of tracks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
