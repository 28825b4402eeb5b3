"""Hours, days, weeks, months and years of one time zone, and which of them make up a range. Pure.

An hour is the n-th of its local day, so that days are made of whole hours in zones with half-hour offsets too. A
period is named by the local date of its first day.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Literal, NamedTuple

from backend_api.contract.events import TimeRange

SLICE_SECONDS = 300
HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400
SLICES = HOUR_SECONDS // SLICE_SECONDS

Period = Literal["day", "week", "month", "year"]
Step = Literal["hour", "day", "month"]
Grain = Literal["raw", Step]

ROLLING_SECONDS: dict[TimeRange, int] = {
    "24h": DAY_SECONDS,
    "7d": 7 * DAY_SECONDS,
    "30d": 30 * DAY_SECONDS,
    "90d": 90 * DAY_SECONDS,
    "1y": 365 * DAY_SECONDS,
}
STEP: dict[TimeRange, Step] = {
    "24h": "hour",
    "7d": "day",
    "30d": "day",
    "90d": "day",
    "1y": "month",
    "all": "month",
}
"""The step of a range's curve: nothing coarser has to be read for it."""


class Slot(NamedTuple):
    """One hour of a local day, counted from its midnight: 0 to 24 (a day may have 25)."""

    day: date
    hour: int


class Slice(NamedTuple):
    """Five minutes of an hour: number 0 to 11."""

    slot: Slot
    number: int


class Stretch(NamedTuple):
    """A run of whole pieces of one grain (raw: any seconds), `start_at` up to but without `end_at`."""

    grain: Grain
    start_at: float
    end_at: float


class Calendar:
    """The periods of a time zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    @property
    def zone(self) -> str:
        """Its name."""
        return str(self._zone)

    def use(self, zone: tzinfo) -> None:
        self._zone = zone

    def day_of(self, at: float) -> date:
        return datetime.fromtimestamp(at, self._zone).date()

    def start_of(self, day: date) -> float:
        """The first moment of a local day."""
        return datetime.combine(day, time(), self._zone).timestamp()

    def slot_of(self, at: float) -> Slot:
        day = self.day_of(at)
        return Slot(day, int((at - self.start_of(day)) // HOUR_SECONDS))

    def slice_of(self, at: float) -> Slice:
        slot = self.slot_of(at)
        return Slice(slot, int((at - self.slot_start(slot)) // SLICE_SECONDS))

    def slot_start(self, slot: Slot) -> float:
        return self.start_of(slot.day) + slot.hour * HOUR_SECONDS

    def slot_end(self, slot: Slot) -> float:
        return min(self.slot_start(slot) + HOUR_SECONDS, self.start_of(next_day(slot.day)))

    def slots_of(self, day: date) -> list[Slot]:
        """All hours of a day: 24, where the clocks change 23 or 25."""
        seconds = self.start_of(next_day(day)) - self.start_of(day)
        return [Slot(day, hour) for hour in range(-int(-seconds // HOUR_SECONDS))]

    def days_between(self, start_at: float, end_at: float) -> Iterator[date]:
        """The days that have a moment in the range."""
        day = self.day_of(start_at)
        while self.start_of(day) < end_at:
            yield day
            day = next_day(day)

    def floor(self, at: float, grain: Step) -> float:
        """The start of the piece that `at` falls into."""
        if grain == "hour":
            return self.slot_start(self.slot_of(at))
        day = self.day_of(at)
        return self.start_of(day if grain == "day" else first_day("month", day))

    def ceil(self, at: float, grain: Step) -> float:
        """The first start of a piece at or after `at`."""
        start_at = self.floor(at, grain)
        if start_at == at:
            return at
        if grain == "hour":
            return self.slot_end(self.slot_of(at))
        day = self.day_of(at)
        return self.start_of(next_day(day) if grain == "day" else end_day("month", day))

    def cover(self, start_at: float, end_at: float, coarsest: Step) -> list[Stretch]:
        """The range as the fewest pieces no coarser than `coarsest`; what is finer than an hour has to be read raw."""
        grains: list[Step] = ["hour", "day", "month"]
        grains = grains[: grains.index(coarsest) + 1]
        left, right = [start_at], [end_at]
        for grain in grains:
            inner_start, inner_end = self.ceil(left[-1], grain), self.floor(right[-1], grain)
            if inner_start > inner_end:
                break
            left.append(inner_start)
            right.append(inner_end)
        names: list[Grain] = ["raw", *grains]
        core = Stretch(names[len(left) - 1], left[-1], right[-1])
        rising = [Stretch(names[i], a, b) for i, (a, b) in enumerate(pairwise(left))]
        falling = [Stretch(names[i], b, a) for i, (a, b) in enumerate(pairwise(right))]
        return [part for part in (*rising, core, *reversed(falling)) if part.start_at < part.end_at]


def next_day(day: date) -> date:
    return day + timedelta(days=1)


def first_day(period: Period, day: date) -> date:
    """The first day of the period that holds `day`; weeks start on Monday."""
    match period:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)
    return day


def end_day(period: Period, day: date) -> date:
    """The day after the last one of the period that holds `day`."""
    first = first_day(period, day)
    match period:
        case "week":
            return first + timedelta(days=7)
        case "month":
            return (first + timedelta(days=32)).replace(day=1)
        case "year":
            return first.replace(year=first.year + 1)
    return next_day(first)
