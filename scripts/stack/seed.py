"""`scripts/seed_demo`: two months of engagement and a week of viewers, sent to a running backend like anybody's data.

Every day's data has its own ids: running it again adds what is missing up to now and nothing else.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from scripts.stack.backend import Backend, BackendError, add_options, from_options
from scripts.stack.seed_data import ARTISTS, DAY_SECONDS, HOUR_SECONDS, ROOMS, Track, plays, snapshots, tracks

AT_ONCE = 1_000
MONTH_DAYS = 30
ENGAGEMENT_DAYS = 60
"""Twice a month, so that a month can be compared with the one before."""
VIEWER_DAYS = 6
"""Minutes are taken for a little longer than that."""


async def seed(backend: Backend, now: float, number: int, progress: Progress) -> tuple[int, int]:
    """How many events and how many minutes of rooms are there now that were not there before."""
    hour_at = now // HOUR_SECONDS * HOUR_SECONDS
    known = tracks(random.Random(1))  # noqa: S311 - nobody's secret
    await _name(backend, known)
    events = _events(known, now, number)
    taken = 0
    for batch in progress.track(list(_batches(events)), description="engagement"):
        taken += (await backend.call("POST", "/api/stats/events", batch))["accepted"]
    minutes = [minute for room in ROOMS for minute in _minutes(room, hour_at)]
    saved = 0
    for batch in progress.track(list(_batches(minutes)), description="viewers   "):
        results = (await backend.call("POST", "/internal/v1/snapshots", {"snapshots": batch}))["results"]
        saved += sum(result["status"] == "saved" for result in results)
    return taken, saved


async def _name(backend: Backend, known: Sequence[Track]) -> None:
    for artist in ARTISTS:
        await backend.call("PUT", f"/api/artists/{artist.id}", {"name": artist.name})
    named = [
        {"trackId": track.id, "artistId": track.artist, "title": track.title, "durationSeconds": track.seconds}
        for track in known
    ]
    await backend.call("PUT", "/api/tracks", {"tracks": named})
    chosen = [track.id for track in known[:6]]
    playlist = {"ownerId": ARTISTS[0].id, "title": "Evening mix", "trackIds": chosen}
    await backend.call("PUT", "/api/playlists/evening-mix", playlist)


def _events(known: Sequence[Track], now: float, number: int) -> Iterator[dict[str, Any]]:
    """The last two months, a little more going on from day to day; nothing later than now."""
    today_at = now // DAY_SECONDS * DAY_SECONDS
    for ago in range(ENGAGEMENT_DAYS, -1, -1):
        growing = 1.1 - 0.4 * ago / ENGAGEMENT_DAYS
        for event in plays(known, today_at - ago * DAY_SECONDS, round(number / MONTH_DAYS * growing)):
            if event["timestamp"] < now * 1_000:
                yield event


def _minutes(room: str, hour_at: float) -> Iterator[dict[str, Any]]:
    dice = random.Random(room)  # noqa: S311
    for part in snapshots(dice, room, ROOMS[room], hour_at - VIEWER_DAYS * DAY_SECONDS, hour_at):
        yield {**part, "timestamp": datetime.fromtimestamp(part["timestamp"], UTC).isoformat()}


def _batches(items: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(items)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/seed_demo", description="Fills a running local stack with two months of believable data."
    )
    parser.add_argument("--plays", type=int, default=12_000, metavar="N", help="plays a month (12,000)")
    add_options(parser)
    return parser.parse_args(argv)


async def _run(options: argparse.Namespace) -> tuple[int, int]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"))
    async with from_options(options) as backend:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            return await seed(backend, time.time(), options.plays, progress)


def main(argv: list[str] | None = None) -> int:
    """Exit 1 with one line where it cannot be done."""
    options = _arguments(argv)
    try:
        events, minutes = asyncio.run(_run(options))
    except BackendError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{events:,} events and {minutes:,} minutes of rooms are new")
    print(f"look at {options.backend}/artist/dashboard?artistId={ARTISTS[0].id} and {options.backend}/admin/stats")
    return 0


if __name__ == "__main__":
    sys.exit(main())
