"""Which stretch of time is asked for, in which steps, and what has to be read for it. Knows no storage and no clock.

A range is half open and made of whole minutes. A bare date is that whole day, a time without an offset is in the
caller's time zone.
"""

from bisect import bisect_right
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal, NamedTuple, Self

from backend_api.viewers.history import HOUR_SECONDS, MINUTE_SECONDS, QUARTER_SECONDS

DAY_SECONDS = 86_400
AUTO_POINTS = 1_000
"""The most points that `auto` gives."""
MAX_POINTS = 20_000
"""The most points that a resolution asked for by name may give: two weeks of minutes, two years of hours."""

TimeRange = Literal["1h", "6h", "24h", "7d", "30d", "90d", "all"]
Resolution = Literal["1m", "5m", "15m", "1h", "1d"]

ROLLING_SECONDS: dict[str, int] = {
    "1h": HOUR_SECONDS,
    "6h": 6 * HOUR_SECONDS,
    "24h": DAY_SECONDS,
    "7d": 7 * DAY_SECONDS,
    "30d": 30 * DAY_SECONDS,
    "90d": 90 * DAY_SECONDS,
}
STEP_SECONDS: dict[Resolution, int] = {
    "1m": MINUTE_SECONDS,
    "5m": 5 * MINUTE_SECONDS,
    "15m": QUARTER_SECONDS,
    "1h": HOUR_SECONDS,
    "1d": DAY_SECONDS,
}


class TooFineError(ValueError):
    """The resolution asked for is not to be had over this range; the message says which one is."""


class Span(NamedTuple):
    """From `start_at` up to but without `end_at`, both Unix seconds."""

    start_at: int
    end_at: int

    @property
    def minutes(self) -> int:
        return (self.end_at - self.start_at) // MINUTE_SECONDS

    def holds(self, at: int) -> bool:
        return self.start_at <= at < self.end_at

    def within(self, bounds: Self) -> Self:
        """The part that lies in the bounds; empty at one of their ends where there is none."""
        start_at = min(max(self.start_at, bounds.start_at), bounds.end_at)
        return self._replace(start_at=start_at, end_at=max(start_at, min(self.end_at, bounds.end_at)))

    def widened(self, step_seconds: int) -> Self:
        """To whole steps, outwards."""
        return self._replace(start_at=floor_to(self.start_at, step_seconds), end_at=ceil_to(self.end_at, step_seconds))

    def whole_hours(self) -> Self:
        """The whole hours inside; it may be empty."""
        start_at = ceil_to(self.start_at, HOUR_SECONDS)
        return self._replace(start_at=start_at, end_at=max(start_at, floor_to(self.end_at, HOUR_SECONDS)))

    def edge_hours(self) -> list[int]:
        """The starts of the hours that are only partly inside: at most two."""
        starts = {floor_to(self.start_at, HOUR_SECONDS), floor_to(self.end_at - 1, HOUR_SECONDS)}
        return sorted(starts - set(range(*self.whole_hours(), HOUR_SECONDS)))


def floor_to(at: float, step_seconds: int) -> int:
    return int(at // step_seconds) * step_seconds


def ceil_to(at: float, step_seconds: int) -> int:
    return -floor_to(-at, step_seconds)


def end_of_minute(now: float) -> int:
    """The end of the minute that is running."""
    return floor_to(now, MINUTE_SECONDS) + MINUTE_SECONDS


def rolling(time_range: str, now: float) -> Span:
    """The last `time_range` up to and with the minute that is running."""
    end_at = end_of_minute(now)
    return Span(end_at - ROLLING_SECONDS[time_range], end_at)


def between(first: date | None, last: date | None, zone: tzinfo, *, default: Span) -> Span:
    """From `first` to `last` (dates or times), each taken from `default` where it is missing.

    ValueError where both are given and nothing lies between them.
    """
    start_at = default.start_at if first is None else floor_to(_start_of(first, zone), MINUTE_SECONDS)
    end_at = default.end_at if last is None else ceil_to(_end_of(last, zone), MINUTE_SECONDS)
    if first is not None and last is not None and start_at >= end_at:
        raise ValueError("from must lie before to")
    return Span(min(start_at, end_at), end_at)


def readable(span: Span, minutes_since_at: float) -> Span:
    """The span with edges that lie before the kept minutes widened to quarters of an hour, the next finer thing."""
    wide = span.widened(QUARTER_SECONDS)
    return Span(
        span.start_at if span.start_at >= minutes_since_at else wide.start_at,
        span.end_at if span.end_at >= minutes_since_at else wide.end_at,
    )


def _start_of(moment: date, zone: tzinfo) -> float:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def _end_of(moment: date, zone: tzinfo) -> float:
    return _start_of(moment if isinstance(moment, datetime) else moment + timedelta(days=1), zone)


def choose(
    span: Span, asked: Resolution | Literal["auto"], *, minutes_since_at: float, most_points: int = MAX_POINTS
) -> Resolution:
    """The resolution to answer with. Minutes are kept from `minutes_since_at` on; before it a quarter is the finest.

    TooFineError for one that is asked for by name and would give more than `most_points`, or is not kept.
    """
    finest = MINUTE_SECONDS if span.start_at >= minutes_since_at else QUARTER_SECONDS
    if asked == "auto":
        return _finest_within(span, AUTO_POINTS, finest)
    possible = _finest_within(span, most_points, finest)
    if STEP_SECONDS[asked] < STEP_SECONDS[possible]:
        why = "minutes are not kept that long" if STEP_SECONDS[asked] < finest else f"over {most_points} points"
        raise TooFineError(f"{asked} is too fine for this range ({why}): take {possible} or coarser")
    return asked


def _finest_within(span: Span, points: int, finest_seconds: int) -> Resolution:
    for name, step in STEP_SECONDS.items():
        if step >= finest_seconds and _count(span, step) <= points:
            return name
    return "1d"


def _count(span: Span, step_seconds: int) -> int:
    start_at, end_at = span.widened(step_seconds)
    return (end_at - start_at) // step_seconds


class Steps(NamedTuple):
    """How a range is cut: `start_of` gives the step a moment falls into, `grain_seconds` what suffices to be read."""

    start_of: Callable[[int], int]
    grain_seconds: int


def steps(span: Span, resolution: Resolution, zone: tzinfo) -> Steps:
    """Days are those of `zone`; anything shorter is counted in UTC."""
    if resolution == "1d":
        return _local_days(span, zone)
    step = STEP_SECONDS[resolution]
    grain = next(g for g in (HOUR_SECONDS, QUARTER_SECONDS, MINUTE_SECONDS) if g <= step)
    return Steps(lambda at: floor_to(at, step), grain)


def _local_days(span: Span, zone: tzinfo) -> Steps:
    day = datetime.fromtimestamp(span.start_at, zone).date()
    starts = [floor_to(_start_of(day, zone), MINUTE_SECONDS)]
    while (start_at := floor_to(_start_of(day := day + timedelta(days=1), zone), MINUTE_SECONDS)) < span.end_at:
        starts.append(start_at)
    on_the_hour = not any(start_at % HOUR_SECONDS for start_at in starts)
    grain = HOUR_SECONDS if on_the_hour else QUARTER_SECONDS
    return Steps(lambda at: starts[bisect_right(starts, at) - 1], grain)
