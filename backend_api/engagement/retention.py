"""Which days can still change, given how long raw events are kept. Pure."""

from dataclasses import dataclass
from datetime import date

from backend_api.engagement.periods import DAY_SECONDS, HOUR_SECONDS, Calendar, next_day


@dataclass
class Retention:
    """How long raw events are kept, and how old a guest's may be when it arrives.

    `removed_at`: what is older has been removed, whatever is kept now (`foundations` remembers it).
    """

    calendar: Calendar
    raw_days: int
    guest_days: int
    removed_at: float = 0.0

    def removed_before(self, now: float) -> float:
        return max(self.removed_at, now - self.raw_days * DAY_SECONDS)

    def first_open_day(self, now: float) -> date:
        """The first day that still takes events; a day is left to recount it while all of it is there."""
        return next_day(next_day(self.calendar.day_of(self.removed_before(now))))

    def is_recountable(self, day: date, now: float) -> bool:
        """Whether nothing of the day has been removed, nor will be within the hour. What is not never will be again."""
        return self.calendar.start_of(day) >= self.removed_before(now) + HOUR_SECONDS

    def first_recountable_day(self, now: float) -> date:
        """What is older is sealed: it can change no more."""
        day = self.calendar.day_of(self.removed_before(now))
        return next(later for later in (day, next_day(day), next_day(next_day(day))) if self.is_recountable(later, now))

    def oldest_at(self, now: float, *, is_guest: bool) -> float:
        """The earliest time of an event that is taken."""
        oldest = self.calendar.start_of(self.first_open_day(now))
        return max(oldest, now - self.guest_days * DAY_SECONDS) if is_guest else oldest
