"""Which days can still change, given how long raw events are kept. Pure."""

from datetime import date
from typing import NamedTuple

from backend_api.engagement.periods import DAY_SECONDS, Calendar, next_day


class Retention(NamedTuple):
    """How long raw events are kept, and how old a guest's may be when it arrives."""

    calendar: Calendar
    raw_days: int
    guest_days: int

    def removed_before(self, now: float) -> float:
        return now - self.raw_days * DAY_SECONDS

    def first_open_day(self, now: float) -> date:
        """The first day that still takes events; a day is left to recount it while all of it is there."""
        return next_day(next_day(self.calendar.day_of(self.removed_before(now))))

    def is_recountable(self, day: date, now: float) -> bool:
        """Whether nothing of the day has been removed yet."""
        return self.calendar.start_of(day) >= self.removed_before(now)

    def oldest_at(self, now: float, *, is_guest: bool) -> float:
        """The earliest time of an event that is taken."""
        oldest = self.calendar.start_of(self.first_open_day(now))
        return max(oldest, now - self.guest_days * DAY_SECONDS) if is_guest else oldest
