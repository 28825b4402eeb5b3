"""What the sessions of a stretch of time add up to, in a form that can be added up again. Pure.

A session's time, and who listened, belong to the stretch where they lie. The session itself (its number, length and
quality) belongs to the stretch in which it began, or to the first one of the range if it began before that. So a range
may be cut anywhere, and its parts taken from rows or from days that were summed up, without counting anything twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from zoneinfo import ZoneInfo

from backend_api.listening.rows import Counted, Row, counted
from backend_api.sessions import statistics
from backend_api.sessions.statistics import WholeSpan, hour_start
from backend_api.uniques import HASH_SPACE, People, hash_of

UNKNOWN = "unknown"
PLACES = ("device", "country", "region")
KINDS = ("users", "guests")
"""Two names of the fact `kind`; together they are everybody."""

QUARTER_SECONDS = 900
HOUR_SECONDS = 3_600
"""Every time zone's hours begin on a quarter of UTC's."""

EXACT_UP_TO = 65_536
"""So many people of several days are told apart; the number of more is estimated, with a standard error of 0.4 %."""

_BUCKETS = len(statistics.DURATION_BUCKETS) + 1


class Sums(NamedTuple):
    """Listening time in a stretch. `lengths` is the sum of the sessions' own lengths in it."""

    seconds: int
    sessions: int
    lengths: int
    people: People


@dataclass(slots=True)
class Portion:
    """What is due to one device, country or region, or to users or guests. `people` are hashes."""

    sessions: int = 0
    seconds: int = 0
    people: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Quality:
    """How playing went: sums over sessions, and how many of them told a bitrate."""

    buffering: int = 0
    reconnects: int = 0
    with_buffering: int = 0
    bitrates: int = 0
    with_bitrate: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.buffering, self.reconnects, self.with_buffering, self.bitrates, self.with_bitrate


@dataclass(slots=True)
class Tally:
    """A report's sums. `portions` are by fact and name; seconds by the start of the UTC quarter of an hour.

    Every hash below `bound` that was ever added is in `people`, none from `bound` on counts.
    """

    portions: dict[tuple[str, str], Portion] = field(default_factory=lambda: defaultdict(Portion))
    durations: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    quality: Quality = field(default_factory=Quality)
    quarters: Counter[int] = field(default_factory=Counter)
    bound: int = HASH_SPACE

    def take(self, lines: Iterable[tuple[Counted, bool]]) -> None:
        """Add sessions of a stretch; the second of each pair says whether the session itself belongs there."""
        for some, belongs in lines:
            self._take_person(some, belongs)
            if belongs:
                self.durations[statistics.bucket_of(some.row.seconds)] += 1
                self._take_quality(some.row)
            for quarter, seconds in _quarters_of(some.pieces):
                self.quarters[quarter] += seconds

    def limit(self, most: int) -> None:
        """Forget the people with the largest hashes, where there are more than twice as many as `most`."""
        held = sum(len(self.portions[("kind", name)].people) for name in KINDS)
        if held <= 2 * most:
            return
        everybody = sorted(hash_ for name in KINDS for hash_ in self.portions[("kind", name)].people)
        self.bound = min(self.bound, everybody[most])
        for portion in self.portions.values():
            portion.people = {hash_ for hash_ in portion.people if hash_ < self.bound}

    def number_of(self, people: Iterable[int]) -> int:
        """How many people these hashes stand for: exact while `bound` is the whole space."""
        held = list(people)
        if self.bound == HASH_SPACE:
            return len(held)
        return round(sum(hash_ < self.bound for hash_ in held) * (HASH_SPACE / self.bound))

    def _take_person(self, some: Counted, belongs: bool) -> None:
        person = hash_of(some.row.person)
        for key in _portions_of(some.row):
            portion = self.portions[key]
            portion.sessions += belongs
            portion.seconds += some.seconds
            portion.people.add(person)

    def _take_quality(self, row: Row) -> None:
        sums, told = self.quality, row.quality
        sums.buffering += told.buffering
        sums.reconnects += told.reconnects
        sums.with_buffering += told.buffering > 0
        sums.bitrates += told.bitrate or 0
        sums.with_bitrate += told.bitrate is not None


def lines_of(rows: Iterable[Row], stretch: WholeSpan, asked: WholeSpan | None) -> list[tuple[Counted, bool]]:
    """What counts in a stretch, and whether each session itself belongs to it; None where no range is asked for."""
    start_at, end_at = stretch
    is_first = asked is not None and start_at == asked[0]
    rows = list(rows)
    lines = counted(rows, start_at, end_at)
    if asked is not None and is_first:
        known = {some.row.id for some in lines}
        early = (row for row in rows if row.start_at < start_at and row.id not in known)
        lines += [Counted(row, []) for row in early if statistics.clip(row.pieces, *asked)]
    return [(some, some.row.start_at < end_at and (is_first or some.row.start_at >= start_at)) for some in lines]


def sums_of(lines: Iterable[tuple[Counted, bool]], stretch: WholeSpan, most: int) -> Sums:
    """Listening time of a stretch, with at most so many people."""
    here = list(lines)
    return Sums(
        sum(some.seconds for some, _ in here),
        sum(belongs for _, belongs in here),
        sum(statistics.total(statistics.clip(some.row.pieces, *stretch)) for some, _ in here),
        People.of((some.row.person for some, _ in here), most),
    )


def people_by_quarter(rows: Iterable[Row], start_at: int, end_at: int) -> dict[int, set[str]]:
    """Who listened in each UTC quarter of an hour of a stretch."""
    people: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        for quarter, _ in _quarters_of(statistics.clip(row.pieces, start_at, end_at)):
            people[quarter].add(row.person)
    return people


def listeners_by_hour(rows: Iterable[Row], stretch: WholeSpan, asked: WholeSpan, zone: ZoneInfo) -> dict[int, int]:
    """The listeners of each local hour of the range that lies in the stretch or reaches into it.

    `rows` are the sessions that may have time up to an hour before and after the stretch.
    """
    start_at, end_at = stretch
    near = people_by_quarter(rows, max(start_at - HOUR_SECONDS, asked[0]), min(end_at + HOUR_SECONDS, asked[1]))
    people: dict[int, set[str]] = defaultdict(set)
    for quarter, names in near.items():
        people[hour_start(quarter, zone)] |= names
    moments = (start_at, *range(start_at - start_at % QUARTER_SECONDS, end_at, QUARTER_SECONDS), end_at)
    return {hour: len(people[hour]) for hour in {hour_start(at, zone) for at in moments} if hour in people}


def _portions_of(row: Row) -> list[tuple[str, str]]:
    kind = KINDS["user" not in row.facts]
    return [("kind", kind), *((fact, row.facts.get(fact, UNKNOWN)) for fact in PLACES)]


def _quarters_of(pieces: Iterable[WholeSpan]) -> Iterator[tuple[int, int]]:
    """The start of each quarter that the pieces touch, and their seconds in it."""
    for start, end in pieces:
        for quarter in range(start - start % QUARTER_SECONDS, end, QUARTER_SECONDS):
            yield quarter, min(end, quarter + QUARTER_SECONDS) - max(start, quarter)
