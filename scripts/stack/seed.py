"""`scripts/seed_demo`: a month of everything on a running stack (two of engagement): every page shows something.

Most of it is sent like anybody's data; what is over and not taken any more goes through `backfill`. Every day's data
has its own ids: running it again adds what is missing up to now and nothing else.
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backend_api.contract.snapshots import Part
from backend_api.tutoring.lesson import Lesson
from scripts.stack import keyring, mongo, seed_sessions
from scripts.stack.backend import Backend, BackendError, add_options, from_options, run
from scripts.stack.backfill import Backfill
from scripts.stack.links import describe_seeded
from scripts.stack.plan import COUNTRY_HEADER
from scripts.stack.seed_data import (
    ARTISTS,
    DAY_SECONDS,
    HOUR_SECONDS,
    ROOMS,
    Track,
    country_of,
    plays,
    snapshots,
    tracks,
)

AT_ONCE = 1_000
MONTH_DAYS = 30
ENGAGEMENT_DAYS = 60
"""Twice a month, so that a month can be compared with the one before."""
MINUTES_DAYS = 6
"""Minutes of rooms are taken for a little longer than that."""
MOST_PLAYS = 1_000_000


class Step(NamedTuple):
    """One kind of data, in batches; `put` tells how much of a batch was not there before."""

    name: str
    batches: Sequence[Any]
    put: Callable[[Any], Awaitable[int]]


class Hour(NamedTuple):
    """An hour of a room, minute by minute."""

    room: str
    at: int
    minutes: list[dict[str, Any]]


class Seeding:
    """Everything up to `now`, with about `number` plays a month."""

    def __init__(self, backend: Backend, backfill: Backfill, now: float, number: int) -> None:
        self._backend, self._backfill, self._now, self._number = backend, backfill, now, number
        self._today_at = int(now // DAY_SECONDS) * DAY_SECONDS

    async def run(self, progress: Progress) -> dict[str, int]:
        """How much of each kind is there now that was not there before."""
        known = tracks(random.Random(1))  # noqa: S311 - nobody's secret
        await self._name(known)
        steps = self._steps(known)
        width = max(len(step.name) for step in steps)
        found = {}
        for step in steps:
            named = step.name.ljust(width)
            found[step.name] = sum([await step.put(one) for one in progress.track(step.batches, description=named)])
        await self._backfill.reopen_empty_months()
        return found

    def _steps(self, known: Sequence[Track]) -> list[Step]:
        hours = [hour for room in ROOMS for hour in self._hours(room)]
        minutes_from = self._today_at - MINUTES_DAYS * DAY_SECONDS
        older = [hour for hour in hours if hour.at < minutes_from]
        minutes = [minute for hour in hours if hour.at >= minutes_from for minute in hour.minutes]
        lessons = [lesson for day_at in self._days() for lesson in seed_sessions.lessons(day_at, self._now)]
        return [
            Step("hours of rooms", older, self._put_hour),
            Step("minutes of rooms", list(_batches(minutes)), self._put_minutes),
            Step("events", list(self._events(known)), self._put_events),
            Step("sessions", list(_batches(self._sessions())), self._put_sessions),
            Step("lessons", lessons, self._put_lesson),
        ]

    def _days(self, number: int = MONTH_DAYS) -> range:
        """The starts of the last days, today's included."""
        return range(self._today_at - number * DAY_SECONDS, self._today_at + 1, DAY_SECONDS)

    def _hours(self, room: str) -> Iterator[Hour]:
        """Those that are over."""
        for day_at in self._days():
            for at, minutes in groupby(snapshots(room, day_at), lambda part: part["timestamp"] // HOUR_SECONDS):
                if (at + 1) * HOUR_SECONDS <= self._now:
                    yield Hour(room, at * HOUR_SECONDS, [_dated(minute) for minute in minutes])

    def _events(self, known: Sequence[Track]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Two months by country, a little more going on from day to day; nothing later than now."""
        by_country: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for day_at in self._days(ENGAGEMENT_DAYS):
            growing = 1.1 - 0.4 * (self._today_at - day_at) / DAY_SECONDS / ENGAGEMENT_DAYS
            for event in plays(known, day_at, round(self._number / MONTH_DAYS * growing)):
                if event["timestamp"] < self._now * 1_000:
                    by_country[country_of(event["anonymousId"])].append(event)
        for country, events in by_country.items():
            for batch in _batches(events):
                yield country, batch

    def _sessions(self) -> Iterator[dict[str, Any]]:
        """Those that are over."""
        end = datetime.fromtimestamp(self._now, UTC).isoformat()
        for day_at in self._days():
            for channel in seed_sessions.CHANNELS:
                yield from (one for one in seed_sessions.listening(channel, day_at) if one["closedAt"] < end)
            yield from (one for one in seed_sessions.studying(day_at) if one["closedAt"] < end)

    async def _name(self, known: Sequence[Track]) -> None:
        call = self._backend.call
        for artist in ARTISTS:
            await call("PUT", f"/api/artists/{artist.id}", {"name": artist.name})
        named = [
            {"trackId": track.id, "artistId": track.artist, "title": track.title, "durationSeconds": track.seconds}
            for track in known
        ]
        await call("PUT", "/api/tracks", {"tracks": named})
        chosen = [track.id for track in known[:6]]
        await call(
            "PUT", "/api/playlists/evening-mix", {"ownerId": ARTISTS[0].id, "title": "Evening mix", "trackIds": chosen}
        )
        for channel, (name, _) in seed_sessions.CHANNELS.items():
            await call("PUT", f"/api/channels/{channel}", {"name": name, "timezone": "UTC"})
        for package, terms in seed_sessions.PACKAGES.items():
            await call("PUT", f"/api/admin/packages/{package}", terms)
        for teacher in seed_sessions.TEACHERS:
            await call("PUT", f"/api/teachers/{teacher.id}", {"name": teacher.name})
            for student, name in teacher.students.items():
                info = {"name": name, "teacherIds": [teacher.id], "packageId": teacher.package}
                await call("PUT", f"/api/students/{student}", info)

    async def _put_hour(self, hour: Hour) -> int:
        minutes = {hour.at + 60 * number: Part.model_validate(one) for number, one in enumerate(hour.minutes)}
        return int(await self._backfill.add_hour(hour.room, hour.at, minutes))

    async def _put_minutes(self, minutes: list[dict[str, Any]]) -> int:
        answer = await self._backend.call("POST", "/internal/v1/snapshots", {"snapshots": minutes})
        return sum(result["status"] == "saved" for result in answer["results"])

    async def _put_events(self, batch: tuple[str, list[dict[str, Any]]]) -> int:
        country, events = batch
        answer = await self._backend.call("POST", "/api/stats/events", events, headers={COUNTRY_HEADER: country})
        return int(answer["accepted"])

    async def _put_sessions(self, intervals: list[dict[str, Any]]) -> int:
        answer = await self._backend.call("POST", "/internal/v1/sessions", {"intervals": intervals})
        return sum(result["status"] == "saved" for result in answer["results"])

    async def _put_lesson(self, lesson: Lesson) -> int:
        return int(await self._backfill.add_lesson(lesson))


def _dated(part: dict[str, Any]) -> dict[str, Any]:
    return {**part, "timestamp": datetime.fromtimestamp(part["timestamp"], UTC).isoformat()}


def _batches(items: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(items)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch


def _number(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= MOST_PLAYS:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number between 1 and {MOST_PLAYS:,}")
    return int(text)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/seed_demo",
        description="Fills a running local stack with a month of believable data for every page.",
        epilog="Running it again adds what is missing. It invents people and lessons: not for a database of real ones.",
    )
    parser.add_argument("--plays", type=_number, default=12_000, metavar="N", help="plays a month (12,000)")
    parser.add_argument("--mongo", metavar="URL", help="the backend's database (the embedded one of DIR)")
    parser.add_argument("--database", default="presence", metavar="NAME", help="its name (presence)")
    add_options(parser)
    return parser.parse_args(argv)


async def _run(options: argparse.Namespace) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    now = time.time()
    async with from_options(options) as backend:
        await backend.call("GET", "/api/admin/rollups")
        async with Backfill(options.mongo or _embedded(options.data), options.database) as backfill:
            with Progress(*columns, console=Console(stderr=True)) as progress:
                found = await Seeding(backend, backfill, now, options.plays).run(progress)
    print(", ".join(f"{number:,} {name}" for name, number in found.items()), "are new")
    secret = keyring.load(options.data).token_secret
    print(describe_seeded(options.backend, secret, artist=ARTISTS[0].id, now=now))
    return 0


def _embedded(data: Path) -> str:
    url = mongo.running_url(data)
    if url is None:
        raise BackendError(f"no embedded database runs in {data}: say --mongo URL, or start scripts/up --data {data}")
    return url


def main(argv: list[str] | None = None) -> int:
    """Exit 1 with one line where it cannot be done, 130 where it was interrupted."""
    options = _arguments(argv)
    return run(lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
