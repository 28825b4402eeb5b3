"""`scripts/rebuild_rollups`: marks a range of days on a running backend and waits until all of it is recounted."""

import argparse
import asyncio
import sys
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scripts.stack.backend import Backend, add_options, from_options, run

LOOK_SECONDS = 0.5
DEFAULT_DAYS = 30


async def rebuild(backend: Backend, first: date | None, last: date | None, progress: Progress) -> int:
    """How many days of tracks were marked. None: up to the backend's today, from DEFAULT_DAYS before the end."""
    if last is None:
        today = (await backend.call("GET", "/api/admin/rollups")).get("today")
        last = date.fromisoformat(today) if today else datetime.now(UTC).date()
    asked = {"from": (first or last - timedelta(days=DEFAULT_DAYS)).isoformat(), "to": last.isoformat()}
    marked = int((await backend.call("POST", "/api/admin/rollups", asked))["openDays"])
    bar = progress.add_task("recounting", total=marked)
    look = f"/api/admin/rollups?{urlencode(asked)}"
    while open_days := int((await backend.call("GET", look))["openDays"]):
        progress.update(bar, completed=max(0, marked - open_days))
        await asyncio.sleep(LOOK_SECONDS)
    progress.update(bar, completed=marked)
    return marked


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a day such as 2026-11-21") from None


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/rebuild_rollups",
        description="Recounts the figures of a range of days from the raw events, while the backend goes on.",
        epilog="Days are those of [backend] timezone. Interrupting it only stops looking: what is marked is recounted.",
    )
    parser.add_argument(
        "--from", dest="first", type=_day, metavar="DAY", help=f"the first day ({DEFAULT_DAYS} days before the last)"
    )
    parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="the last day, itself included (today)")
    add_options(parser)
    return parser.parse_args(argv)


async def _run(options: argparse.Namespace) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with from_options(options) as backend:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            marked = await rebuild(backend, options.first, options.last, progress)
    print(f"recounted {marked} days of tracks")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Exit 1 with one line where it cannot be done, 130 where it was interrupted."""
    options = _arguments(argv)
    return run(lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
