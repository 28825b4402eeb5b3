"""Recounts hours from raw events and makes days, weeks, months and years of them. Decides nothing about when."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import ParamSpec, TypeVar

from backend_api.engagement.documents import Family
from backend_api.engagement.periods import SLICE_SECONDS, SLICES, Calendar, Period, Slot, end_day, first_day
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.rollups import Ends, Figures, Raw, count
from backend_api.engagement.stats import Hours, Stats

EVENTS_AT_ONCE = 20_000
"""A stretch with more events is read in halves, down to the hour."""
COUNT_ASIDE = 2_000
"""More events than that are counted in a thread."""
MANY = 1_000
"""An hour with so many events is counted by its slices."""

P = ParamSpec("P")
T = TypeVar("T")

_MADE_OF: Mapping[Period, Period] = {"week": "day", "month": "day", "year": "month"}


class Roller:
    """From raw events to hours, from hours to everything longer."""

    def __init__(self, raw: RawEvents, stats: Stats, calendar: Calendar, now: Callable[[], float]) -> None:
        self._raw = raw
        self._stats = stats
        self._calendar = calendar
        self._now = now

    async def recount(self, track: str, slots: Sequence[Slot]) -> dict[Slot, list[Figures]]:
        """The figures of these hours, all of them, from the raw events: an hour with many events by its slices."""
        return {slot: parts for run in self._runs(slots) for slot, parts in await self._count(track, run)}

    async def recount_slices(self, track: str, slot: Slot, numbers: Iterable[int]) -> dict[int, Figures]:
        """The figures of some slices of one hour."""
        found: dict[int, Figures] = {}
        for first, last in _stretches(numbers):
            start_at = self._calendar.slot_start(slot) + first * SLICE_SECONDS
            end_at = min(start_at + (last + 1 - first) * SLICE_SECONDS, self._calendar.slot_end(slot))
            events = await self._raw.between({track}, start_at, end_at)
            ends = await self._raw.ends_of(events, start_at, end_at)
            parts = await _aside(len(events), _count_slices, events, ends, self._calendar.slot_start(slot))
            found |= {number: parts[number] for number in range(first, last + 1)}
        return found

    async def roll_up(self, family: Family, subject: str, hours: Mapping[date, Hours]) -> dict[date, Figures]:
        """Replaces these hours and every period they are in; the figures of the days."""
        if not hours:
            return {}
        await self._stats.save_hours(family, subject, hours)
        kept = await self._stats.hours(family, subject, min(hours), max(hours))
        days = {day: await merged(kept.get(day, {}).values()) for day in hours}
        await self._stats.save(family, "day", subject, days, self._now())
        for period in family.periods:
            if period != "day":
                await self._save_longer(family, period, subject, hours)
        return days

    async def group_hours(self, tracks: Iterable[str] | None, day: date, hours: Iterable[int]) -> Hours:
        """Some hours of a day for these tracks together, or (None) for all."""
        numbers = list(hours)
        of_tracks = await self._stats.hours_of_tracks(tracks, day, numbers)
        return {
            number: await merged(of[number].of_track(track) for track, of in of_tracks.items() if number in of)
            for number in numbers
        }

    async def _save_longer(self, family: Family, period: Period, subject: str, days: Iterable[date]) -> None:
        firsts = sorted({first_day(period, day) for day in days})
        start_at, end_at = self._calendar.start_of(firsts[0]), self._calendar.start_of(end_day(period, firsts[-1]))
        parts: dict[date, list[Figures]] = {first: [] for first in firsts}
        for piece in await self._stats.pieces(family, _MADE_OF[period], subject, start_at, end_at):
            first = first_day(period, self._calendar.day_of(piece.start_at))
            parts.get(first, []).append(piece.figures)
        figures = {first: await merged(of_first) for first, of_first in parts.items()}
        await self._stats.save(family, period, subject, figures, self._now())

    def _runs(self, slots: Sequence[Slot]) -> list[list[Slot]]:
        """Hours that follow each other, together."""
        runs: list[list[Slot]] = []
        for slot in sorted(slots):
            if runs and self._calendar.slot_end(runs[-1][-1]) == self._calendar.slot_start(slot):
                runs[-1].append(slot)
            else:
                runs.append([slot])
        return runs

    async def _count(self, track: str, slots: Sequence[Slot]) -> list[tuple[Slot, list[Figures]]]:
        start_at, end_at = self._calendar.slot_start(slots[0]), self._calendar.slot_end(slots[-1])
        limit = EVENTS_AT_ONCE if len(slots) > 1 else 0
        events = await self._raw.between({track}, start_at, end_at, limit)
        if limit and len(events) >= limit:
            middle = len(slots) // 2
            return [*await self._count(track, slots[:middle]), *await self._count(track, slots[middle:])]
        ends = await self._raw.ends_of(events, start_at, end_at)
        return await _aside(len(events), self._count_each, slots, events, ends)

    def _count_each(self, slots: Sequence[Slot], events: Sequence[Raw], ends: Ends) -> list[tuple[Slot, list[Figures]]]:
        by_slot: dict[Slot, list[Raw]] = {slot: [] for slot in slots}
        for event in events:
            slot = slots[0] if len(slots) == 1 else self._calendar.slot_of(event["timestamp"].timestamp())
            by_slot[slot].append(event)
        return [
            (slot, _count_slices(of, ends, self._calendar.slot_start(slot)) if len(of) >= MANY else [count(of, ends)])
            for slot, of in by_slot.items()
        ]


def _count_slices(events: Sequence[Raw], ends: Ends, start_at: float) -> list[Figures]:
    by_slice: list[list[Raw]] = [[] for _ in range(SLICES)]
    for event in events:
        by_slice[int((event["timestamp"].timestamp() - start_at) // SLICE_SECONDS)].append(event)
    return [count(of, ends) for of in by_slice]


def _stretches(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers that follow each other, together: the first and the last of each run."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


async def _aside(events: int, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Counting much in a thread, so that requests go on."""
    return await asyncio.to_thread(work, *args, **named) if events > COUNT_ASIDE else work(*args, **named)


async def merged(parts: Iterable[Figures]) -> Figures:
    """Merging full sets of people takes milliseconds: other requests get their turn in between."""
    await asyncio.sleep(0)
    return Figures.merged(parts)
