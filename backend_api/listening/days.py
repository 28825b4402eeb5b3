"""A day of a channel as it is kept: a few numbers, and everything that a report needs, in columns of bytes. Pure.

| field | holds |
|---|---|
| seconds, started, durations, people, bound | `Sums` of the day; `bound` only where people are missing |
| report.portions | fact and name of each portion, as JSON; the columns beside it are in this order |
| report.sessions, report.seconds, report.people | sessions, seconds and the number of hashes of each portion |
| report.hashes | the hashes of the portions, one after the other |
| report.quarters | seconds of the day's 96 quarters of an hour |
| report.hours | listeners of the 24 hours that begin in the day on the hour, then of those a quarter past, and so on |
| report.durations, report.quality | as in `Tally` |

An hour that begins in the day may end in the next one, so a day depends on SPILL_SECONDS of the day after it.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from zoneinfo import ZoneInfo

from backend_api.db import Document
from backend_api.listening.rows import Row
from backend_api.listening.tallies import (
    EXACT_UP_TO,
    HOUR_SECONDS,
    QUARTER_SECONDS,
    Quality,
    Sums,
    Tally,
    lines_of,
    people_by_quarter,
    sums_of,
)
from backend_api.sessions.statistics import phase_of
from backend_api.uniques import HASH_SPACE, LIMIT, People, numbers_in, packed

DAY_SECONDS = 86_400
SPILL_SECONDS = HOUR_SECONDS - QUARTER_SECONDS

_PHASES = range(0, HOUR_SECONDS, QUARTER_SECONDS)
_QUARTERS = range(0, DAY_SECONDS, QUARTER_SECONDS)


def day_of(at: float) -> int:
    """The number of the UTC day."""
    return int(at // DAY_SECONDS)


def tomorrow(now: float) -> int:
    """When the UTC day is over."""
    return (day_of(now) + 1) * DAY_SECONDS


def summed_up(channel: str, day: int, rows: Iterable[Row]) -> Document:
    """What is kept of a day; `rows` are those that may have time in it or in SPILL_SECONDS after it."""
    rows = list(rows)
    start_at, end_at = day * DAY_SECONDS, (day + 1) * DAY_SECONDS
    lines = lines_of(rows, (start_at, end_at), None)
    sums, tally = sums_of(lines, (start_at, end_at), LIMIT), Tally()
    tally.take(lines)
    return {
        "channel": channel,
        "day": day,
        "seconds": sums.seconds,
        "started": sums.sessions,
        "durations": sums.lengths,
        "people": sums.people.pack(),
        **({} if sums.people.is_exact else {"bound": sums.people.bound}),
        "report": _columns(tally, sums.people.bound, start_at)
        | {"hours": packed(_listeners(rows, start_at, end_at + SPILL_SECONDS))},
    }


def sums_in(day: Document) -> Sums:
    people = People.unpack(day["people"], day.get("bound", HASH_SPACE))
    return Sums(day["seconds"], day["started"], day["durations"], people)


def add_day(tally: Tally, day: Document) -> None:
    """Add a kept day to a report's sums."""
    report = day["report"]
    tally.bound = min(tally.bound, day.get("bound", HASH_SPACE))
    columns = (numbers_in(report[name]) for name in ("sessions", "seconds", "people"))
    hashes, at = numbers_in(report["hashes"]), 0
    for (fact, name), sessions, seconds, people in zip(json.loads(report["portions"]), *columns, strict=True):
        portion = tally.portions[(fact, name)]
        portion.sessions += sessions
        portion.seconds += seconds
        portion.people.update(hashes[at : at + people])
        at += people
    tally.limit(EXACT_UP_TO)
    tally.durations = [sum(pair) for pair in zip(tally.durations, numbers_in(report["durations"]), strict=True)]
    quality = zip(tally.quality.numbers, numbers_in(report["quality"]), strict=True)
    tally.quality = Quality(*map(sum, quality))
    start_at = day["day"] * DAY_SECONDS
    for offset, seconds in zip(_QUARTERS, numbers_in(report["quarters"]), strict=True):
        if seconds:
            tally.quarters[start_at + offset] += seconds


def listeners_by_hour(day: Document, zone: ZoneInfo) -> dict[int, int]:
    """The listeners of each local hour that begins in a kept day."""
    first = day["day"] * DAY_SECONDS + phase_of(day["day"] * DAY_SECONDS, zone)
    at = _PHASES.index(first % HOUR_SECONDS) * 24
    numbers = numbers_in(day["report"]["hours"])[at : at + 24]
    return dict(zip(range(first, first + DAY_SECONDS, HOUR_SECONDS), numbers, strict=True))


def _columns(tally: Tally, bound: int, start_at: int) -> Document:
    people = [[hash_ for hash_ in portion.people if hash_ < bound] for portion in tally.portions.values()]
    return {
        "portions": json.dumps(list(tally.portions)),
        "sessions": packed(portion.sessions for portion in tally.portions.values()),
        "seconds": packed(portion.seconds for portion in tally.portions.values()),
        "people": packed(map(len, people)),
        "hashes": packed(chain.from_iterable(people)),
        "durations": packed(tally.durations),
        "quality": packed(tally.quality.numbers),
        "quarters": packed(tally.quarters[start_at + offset] for offset in _QUARTERS),
    }


def _listeners(rows: Iterable[Row], start_at: int, end_at: int) -> Iterator[int]:
    people = people_by_quarter(rows, start_at, end_at)
    for phase in _PHASES:
        for hour in range(start_at + phase, start_at + phase + DAY_SECONDS, HOUR_SECONDS):
            within = range(hour, hour + HOUR_SECONDS, QUARTER_SECONDS)
            yield len(set().union(*(people[quarter] for quarter in within if quarter in people)))
