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
MOST_DAYS = 45
"""Twice as many have to lie within the time for which raw events are kept."""
MINUTES_DAYS = 1
"""Before that, rooms have their packed hours only."""
SESSIONS_AT_ONCE = 100
"""Each is judged when it arrives."""
MOST_PLAYS = 1_000_000


class Step(NamedTuple):
    """One kind of data, in batches; `put` tells how much of a batch was not there before (of sessions: was taken)."""

    name: str
    batches: Sequence[Any]
    put: Callable[[Any], Awaitable[int]]


class RoomDay(NamedTuple):
    """The hours of a room's day that are over, minute by minute."""

    room: str
    at: int
    hours: dict[int, list[dict[str, Any]]]


class Seeding:
    """Everything of the last `days` up to `now`, with about `number` plays a month."""

    def __init__(self, backend: Backend, backfill: Backfill, now: float, *, days: int, number: int) -> None:
        self._backend, self._backfill, self._now = backend, backfill, now
        self._number_of_days, self._number = days, number
        self._today_at = int(now // DAY_SECONDS) * DAY_SECONDS

    async def run(self, progress: Progress) -> dict[str, int]:
        """What `put` told, by kind."""
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
        minutes_from = self._today_at - MINUTES_DAYS * DAY_SECONDS
        days = [self._room_day(room, day_at) for room in ROOMS for day_at in self._days()]
        newest = [hour for day in days if day.at >= minutes_from for hour in day.hours.values()]
        minutes = [minute for hour in newest for minute in hour]
        lessons = [lesson for day_at in self._days() for lesson in seed_sessions.lessons(day_at, self._now)]
        return [
            Step("hours of rooms", [day for day in days if day.at < minutes_from], self._put_hours),
            Step("minutes of rooms", list(_batches(minutes, AT_ONCE)), self._put_minutes),
            Step("events", list(self._events(known)), self._put_events),
            Step("sessions", list(_batches(self._sessions(), SESSIONS_AT_ONCE)), self._put_sessions),
            Step("lessons", lessons, self._put_lesson),
        ]

    def _days(self, times: int = 1) -> range:
        """The starts of the last days, or of so many times more, today's included."""
        return range(self._today_at - times * self._number_of_days * DAY_SECONDS, self._today_at + 1, DAY_SECONDS)

    def _room_day(self, room: str, day_at: int) -> RoomDay:
        by_hour = groupby(snapshots(room, day_at), lambda part: part["timestamp"] // HOUR_SECONDS * HOUR_SECONDS)
        hours = {
            at: [_dated(minute) for minute in minutes] for at, minutes in by_hour if at + HOUR_SECONDS <= self._now
        }
        return RoomDay(room, day_at, hours)

    def _events(self, known: Sequence[Track]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Twice the days, so that they can be compared with as many before, by country; nothing later than now."""
        by_country: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for day_at in self._days(2):
            growing = 1.1 - 0.4 * (self._today_at - day_at) / DAY_SECONDS / (2 * MONTH_DAYS)
            for event in plays(known, day_at, round(self._number / MONTH_DAYS * growing)):
                if event["timestamp"] < self._now * 1_000:
                    by_country[country_of(event["anonymousId"])].append(event)
        for country, events in by_country.items():
            for batch in _batches(events, AT_ONCE):
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

    async def _put_hours(self, day: RoomDay) -> int:
        hours = {at: [Part.model_validate(minute) for minute in minutes] for at, minutes in day.hours.items()}
        return await self._backfill.add_hours(day.room, hours)

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


def _batches(items: Iterable[dict[str, Any]], at_once: int) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(items)
    while batch := list(islice(iterator, at_once)):
        yield batch


def _up_to(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdigit() or not 0 < int(text) <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number between 1 and {most:,}")
        return int(text)

    return number


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/seed_demo",
        description="Fills a running local stack with a month of believable data for every page.",
        epilog="Running it again adds what is missing. It invents people and lessons: not for a database of real ones.",
    )
    plays_help = "plays a month (12,000)"
    parser.add_argument("--plays", type=_up_to(MOST_PLAYS), default=12_000, metavar="N", help=plays_help)
    days_help = f"how many days back, of engagement twice as many ({MONTH_DAYS})"
    parser.add_argument("--days", type=_up_to(MOST_DAYS), default=MONTH_DAYS, metavar="N", help=days_help)
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
                seeding = Seeding(backend, backfill, now, days=options.days, number=options.plays)
                found = await seeding.run(progress)
    sessions = found.pop("sessions")
    print(f"{', '.join(f'{number:,} {name}' for name, number in found.items())} are new")
    print(f"{sessions:,} sessions were told; those that were known stay as they are")
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
