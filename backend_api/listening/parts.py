"""A range as whole days that are kept and stretches that are counted from sessions, put together again. Pure."""

from collections.abc import Iterable
from typing import NamedTuple
from zoneinfo import ZoneInfo

from backend_api.db import Document
from backend_api.listening import days, reports, tallies
from backend_api.listening.days import DAY_SECONDS, SPILL_SECONDS
from backend_api.listening.reports import ListenersReport, ListeningTime
from backend_api.listening.rows import Row
from backend_api.listening.tallies import EXACT_UP_TO, Tally, lines_of, sums_of
from backend_api.sessions.statistics import WholeSpan, phase_of, whole_union


class Parts(NamedTuple):
    """The parts of the range `asked`, the first stretch at its start.

    Beside a stretch are the sessions that may have time in it, or within an hour of it. `active` is the number of
    sessions that are on.
    """

    asked: WholeSpan
    days: list[Document]
    stretches: list[tuple[WholeSpan, list[Row]]]
    active: int

    def time(self) -> ListeningTime:
        near = [sums_of(lines_of(rows, here, self.asked), here, EXACT_UP_TO) for here, rows in self.stretches]
        return reports.listening_time([*map(days.sums_in, self.days), *near], self.active)

    def report(self, zone: ZoneInfo) -> ListenersReport:
        """By hours of this zone; every day must be kept with its report, and be even in it."""
        tally = Tally()
        listeners: dict[int, int] = {}
        for day in self.days:
            days.add_day(tally, day)
            listeners |= days.listeners_by_hour(day, zone)
        for here, rows in self.stretches:
            tally.take(lines_of(rows, here, self.asked))
            listeners |= tallies.listeners_by_hour(rows, here, self.asked, zone)
        return reports.listeners(tally, reports.hours_of(tally.quarters, listeners, zone), zone)


def stretches(asked: WholeSpan, open_days: Iterable[int]) -> list[WholeSpan]:
    """What of a range is to be counted from sessions: its edges, be they empty, and the open days."""
    start_at, end_at = asked
    first, last = whole_days(asked)
    if first >= last:
        return [asked]
    opened = [(day * DAY_SECONDS, (day + 1) * DAY_SECONDS) for day in open_days if first <= day < last]
    return whole_union([(start_at, first * DAY_SECONDS), *opened, (last * DAY_SECONDS, end_at)])


def whole_days(asked: WholeSpan) -> tuple[int, int]:
    """The first day that lies wholly in the range, and the first one after it that does not."""
    return -(-asked[0] // DAY_SECONDS), asked[1] // DAY_SECONDS


def is_even(day: int, zone: ZoneInfo) -> bool:
    """Whether all hours of the day, in this zone, begin equally long after UTC's."""
    return phase_of(day * DAY_SECONDS, zone) == phase_of((day + 1) * DAY_SECONDS + SPILL_SECONDS, zone)
