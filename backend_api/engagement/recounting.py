"""Counts hours of a track from its raw events. Decides nothing about which, and keeps nothing.

A stretch is read while the one before it is counted. It is as long as fits the traffic: the embedded database answers
nobody else while it looks up what it sends, so a lively hour is read in slices, and quiet days many hours at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple, ParamSpec, TypeVar

from backend_api.engagement.events import FUTURE_SECONDS
from backend_api.engagement.periods import HOUR_SECONDS, SLICE_SECONDS, SLICES, Calendar, Slice, Slot
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.rollups import (
    END_EARLY_SECONDS,
    END_LATE_SECONDS,
    EndOf,
    Ends,
    Figures,
    Raw,
    count,
    happened_at,
    moment_of,
)

EVENTS_AT_ONCE = 2_500
"""About so many are read at once; a stretch with far more is read again by slices."""
TOO_MANY = 5_000
GROWTH = 8
"""A quiet stretch is followed by one so many times as long."""
FIRST_SECONDS = 6 * HOUR_SECONDS
"""How much is read at first of what seems quiet."""
COUNT_ASIDE = 500
"""More events than that are counted in a thread, so that requests go on."""
MANY = 1_000
"""An hour with so many events is counted by its slices."""
NEAR_END_SECONDS = 900
"""Most plays have ended by then; the ends of the others are looked up one by one."""
AHEAD_SECONDS = 3_600
"""How far ends are read ahead that will be needed later on anyway: of a running hour, all that have come."""

P = ParamSpec("P")
T = TypeVar("T")


class _Read(NamedTuple):
    """The events of a stretch, and the ends that came up to `ends_until` and had not been read before."""

    start_at: float
    end_at: float
    events: Sequence[Raw]
    ends: Sequence[Raw]
    ends_until: float


class Recounter:
    """From raw events to the figures of hours and their slices."""

    def __init__(self, raw: RawEvents, calendar: Calendar, now: Callable[[], float]) -> None:
        self._raw = raw
        self._calendar = calendar
        self._now = now

    async def hours(
        self, track: str, slots: Iterable[Slot], expected: Callable[[Slot], int] = lambda _: 0
    ) -> dict[Slot, list[Figures]]:
        """The figures of these hours, all of them: one, or of an hour with many events those of its slices.

        How many events are `expected` of an hour decides how it is read, not what is found.
        """
        found: dict[Slot, list[Figures]] = {}
        for run in self._runs(slots):
            start_at, end_at = self._calendar.slot_start(run[0]), self._calendar.slot_end(run[-1])
            parts: dict[Slot, dict[int, Figures]] = {slot: {} for slot in run}
            async for part, figures in self._count(track, start_at, end_at, expected(run[0])):
                parts[part.slot][part.number] = figures
            found |= {slot: _in_order(of_slot) for slot, of_slot in parts.items()}
        return found

    async def slices(self, track: str, slot: Slot, numbers: Iterable[int]) -> dict[int, Figures]:
        """The figures of some slices of one hour."""
        found: dict[int, Figures] = {}
        for first, last in _stretches(numbers):
            start_at = self._calendar.slot_start(slot) + first * SLICE_SECONDS
            end_at = min(start_at + (last + 1 - first) * SLICE_SECONDS, self._calendar.slot_end(slot))
            found |= {number: Figures() for number in range(first, last + 1)}
            async for part, figures in self._count(track, start_at, end_at, 0, by_slice=True):
                found[part.number] = figures
        return found

    async def _count(
        self, track: str, start_at: float, end_at: float, expected: int, *, by_slice: bool = False
    ) -> AsyncGenerator[tuple[Slice, Figures], None]:
        ends = Ends()
        async for read in self._read_ahead(track, start_at, end_at, expected):
            end_of = await self._pair(read, ends)
            for part in await _aside(len(read.events), self._count_parts, read, end_of, by_slice):
                yield part

    async def _read_ahead(
        self, track: str, start_at: float, end_at: float, expected: int
    ) -> AsyncGenerator[_Read, None]:
        """One stretch after the other; the next one is being read while this one is worked on."""
        lasted = max(1.0, min(HOUR_SECONDS, self._now() - start_at))
        seconds = min(FIRST_SECONDS, lasted * EVENTS_AT_ONCE / max(1, expected))
        reading = asyncio.create_task(self._read(track, start_at, end_at, seconds, start_at - END_EARLY_SECONDS))
        try:
            while True:
                read = await reading
                if read.end_at < end_at:
                    seconds = (read.end_at - read.start_at) * min(GROWTH, EVENTS_AT_ONCE / max(1, len(read.events)))
                    following = self._read(track, read.end_at, end_at, seconds, read.ends_until)
                    reading = asyncio.create_task(following)
                yield read
                if read.end_at >= end_at:
                    return
        finally:
            reading.cancel()

    async def _read(self, track: str, start_at: float, last_at: float, seconds: float, ends_from: float) -> _Read:
        """A stretch of about so many seconds, or a shorter one where those have too many events."""
        end_at = min(last_at, self._reach(start_at, seconds))
        if end_at - start_at < HOUR_SECONDS:
            (events, end_at), (ends, ends_until) = await asyncio.gather(
                self._events(track, start_at, end_at), self._ends(track, start_at, end_at, last_at, ends_from)
            )
        else:
            # Before it is known how lively it is, the ends of a whole hour may be too many.
            events, end_at = await self._events(track, start_at, end_at)
            ends, ends_until = await self._ends(track, start_at, end_at, last_at, ends_from)
        return _Read(start_at, end_at, events, ends, ends_until)

    async def _events(self, track: str, start_at: float, end_at: float) -> tuple[list[Raw], float]:
        """All but ends, and up to when: where there are too many, one slice."""
        limit = TOO_MANY if end_at - start_at > SLICE_SECONDS else 0
        events = await self._raw.between({track}, start_at, end_at, limit)
        if not limit or len(events) < limit:
            return events, end_at
        end_at = min(end_at, self._reach(start_at, SLICE_SECONDS))
        return await self._raw.between({track}, start_at, end_at), end_at

    async def _ends(
        self, track: str, start_at: float, end_at: float, last_at: float, ends_from: float
    ) -> tuple[list[Raw], float]:
        """Those that were not read before, and up to when they are now; so many seconds at once as of the events."""
        ends_until = max(end_at, min(end_at + AHEAD_SECONDS, last_at)) + NEAR_END_SECONDS
        ends_until = max(ends_from, min(ends_until, self._now() + 2 * FUTURE_SECONDS))
        found: list[Raw] = []
        while ends_from < ends_until:
            until = min(ends_until, ends_from + end_at - start_at)
            found += await self._raw.ends_between(track, ends_from, until)
            ends_from = until
        return found, ends_until

    def _reach(self, start_at: float, seconds: float) -> float:
        """Whole hours, or whole slices of one hour."""
        slot = self._calendar.slot_of(start_at)
        if seconds < HOUR_SECONDS or start_at != self._calendar.slot_start(slot):
            slices = max(1, int(seconds // SLICE_SECONDS))
            return min(start_at + slices * SLICE_SECONDS, self._calendar.slot_end(slot))
        return self._calendar.floor(start_at + seconds, "hour")

    async def _pair(self, read: _Read, ends: Ends) -> EndOf:
        """How to find the end of a play: whatever was read together, the same one, for lonely plays are looked up."""
        paired, lonely = await _aside(len(read.events) + len(read.ends), _paired, read, ends)
        if read.ends_until >= min(read.end_at + END_LATE_SECONDS, self._now() + FUTURE_SECONDS):
            end_of = ends.of
        else:
            end_of = Ends(await self._raw.ends_by_id(lonely)).of
        return lambda play: paired.get(play["_id"]) or end_of(play)

    def _count_parts(self, read: _Read, end_of: EndOf, by_slice: bool) -> list[tuple[Slice, Figures]]:
        events: dict[Slot, list[Raw]] = {slot: [] for slot in self._slots(read)}
        only = next(iter(events)) if len(events) == 1 else None
        for event in read.events:
            events[only or self._calendar.slot_of(happened_at(event))].append(event)
        return [part for slot, of in events.items() for part in self._parts(slot, of, read, end_of, by_slice)]

    def _parts(
        self, slot: Slot, events: Sequence[Raw], read: _Read, end_of: EndOf, by_slice: bool
    ) -> list[tuple[Slice, Figures]]:
        start_at, end_at = self._calendar.slot_start(slot), self._calendar.slot_end(slot)
        is_whole = read.start_at <= start_at and end_at <= read.end_at
        if is_whole and not by_slice and len(events) < MANY:
            return [(Slice(slot, 0), count(events, end_of))]
        by_number: dict[int, list[Raw]] = defaultdict(list)
        began, slice_ = moment_of(start_at), timedelta(seconds=SLICE_SECONDS)
        for event in events:
            by_number[(event["timestamp"] - began) // slice_].append(event)
        first = int((max(start_at, read.start_at) - start_at) // SLICE_SECONDS)
        last = int((min(end_at, read.end_at) - start_at - 1) // SLICE_SECONDS)
        return [(Slice(slot, number), count(by_number[number], end_of)) for number in range(first, last + 1)]

    def _slots(self, read: _Read) -> list[Slot]:
        slots = [self._calendar.slot_of(read.start_at)]
        while (following := self._calendar.slot_end(slots[-1])) < read.end_at:
            slots.append(self._calendar.slot_of(following))
        return slots

    def _runs(self, slots: Iterable[Slot]) -> list[list[Slot]]:
        """Hours that follow each other, together."""
        runs: list[list[Slot]] = []
        for slot in sorted(slots):
            if runs and self._calendar.slot_end(runs[-1][-1]) == self._calendar.slot_start(slot):
                runs[-1].append(slot)
            else:
                runs.append([slot])
        return runs


def _paired(read: _Read, ends: Ends) -> tuple[dict[str, Raw], list[Raw]]:
    """The ends of plays by whoever began them, by the plays' ids, and the plays that seem to have none.

    `ends` is given those that were read.
    """
    ends.forget_before(read.start_at - END_EARLY_SECONDS)
    ends.add(read.ends)
    plays = [event for event in read.events if event["type"] == "play" and "playId" in event]
    found = [(play, ends.of_visit(play)) for play in plays]
    return {play["_id"]: end for play, end in found if end is not None}, [play for play, end in found if end is None]


def _in_order(parts: dict[int, Figures]) -> list[Figures]:
    """Of an hour that was counted by slices all, else the one there is."""
    return [parts.get(number, Figures()) for number in range(SLICES)] if len(parts) > 1 else [*parts.values()]


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
    """Much work in a thread."""
    return await asyncio.to_thread(work, *args, **named) if events > COUNT_ASIDE else work(*args, **named)
