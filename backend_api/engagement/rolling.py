"""Makes days, weeks, months and years of hours, of tracks and of groups. Decides nothing about when."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from backend_api.engagement.documents import Family
from backend_api.engagement.periods import Calendar, Period, end_day, first_day
from backend_api.engagement.rollups import Figures
from backend_api.engagement.stats import Hours, Stats

_MADE_OF: Mapping[Period, Period] = {"week": "day", "month": "day", "year": "month"}


class Roller:
    """From hours to everything longer, and from tracks to groups of them."""

    def __init__(self, stats: Stats, calendar: Calendar, now: Callable[[], float]) -> None:
        self._stats = stats
        self._calendar = calendar
        self._now = now

    async def roll_up(self, family: Family, subject: str, hours: Mapping[date, Hours], run: int) -> dict[date, Figures]:
        """Replaces these hours and every period they are in, for a round; the figures of the days."""
        if not hours:
            return {}
        await self._stats.save_hours(family, subject, hours, run)
        kept = await self._stats.hours(family, subject, min(hours), max(hours))
        days = {day: await merged(kept.get(day, {}).values()) for day in hours}
        await self._stats.save(family, "day", subject, days, run, self._now())
        for period in family.periods:
            if period != "day":
                await self._save_longer(family, period, subject, hours, run)
        return days

    async def group_hours(self, tracks: Iterable[str] | None, day: date, hours: Iterable[int]) -> Hours:
        """Some hours of a day for these tracks together, or (None) for all."""
        numbers = list(hours)
        of_tracks = await self._stats.hours_of_tracks(tracks, day, numbers)
        return {
            number: await merged(of[number].of_track(track) for track, of in of_tracks.items() if number in of)
            for number in numbers
        }

    async def _save_longer(self, family: Family, period: Period, subject: str, days: Iterable[date], run: int) -> None:
        firsts = sorted({first_day(period, day) for day in days})
        start_at, end_at = self._calendar.start_of(firsts[0]), self._calendar.start_of(end_day(period, firsts[-1]))
        parts: dict[date, list[Figures]] = {first: [] for first in firsts}
        for piece in await self._stats.pieces(family, _MADE_OF[period], subject, start_at, end_at):
            first = first_day(period, self._calendar.day_of(piece.start_at))
            parts.get(first, []).append(piece.figures)
        figures = {first: await merged(of_first) for first, of_first in parts.items()}
        await self._stats.save(family, period, subject, figures, run, self._now())


async def merged(parts: Iterable[Figures]) -> Figures:
    """Merging full sets of people takes milliseconds: other requests get their turn in between."""
    await asyncio.sleep(0)
    return Figures.merged(parts)
