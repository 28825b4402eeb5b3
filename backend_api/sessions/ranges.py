"""Which stretch of time a question is about: periods and dates in a time zone become whole Unix seconds. Pure."""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints

from backend_api.contract.wire import Timestamp, Wire
from backend_api.service.errors import FieldError, Unprocessable
from backend_api.sessions.statistics import day_start

Period = Literal["today", "week", "month", "all_time"]

DEFAULT_DAYS = 30
MAX_DAYS = 400
_YEARS = range(2000, 2101)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone such as Europe/Berlin") from None
    return name


def _near(moment: date) -> date:
    if moment.year not in _YEARS:
        raise ValueError(f"must lie in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return moment


Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_zone)]
Moment = Annotated[date, AfterValidator(_near)] | Annotated[Timestamp, AfterValidator(_near)]


class Range(NamedTuple):
    """`start_at <= time < end_at`, whole seconds, and the zone in which its days are meant."""

    start_at: int
    end_at: int
    zone: ZoneInfo


class RangeQuery(Wire):
    """Days are whole days of `tz`, `to` included. Without any, the last 30 days."""

    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    tz: Zone | None = None

    def range(self, now: float, zone: ZoneInfo) -> Range:
        """Unprocessable for a range that is empty, or longer than 400 days."""
        zone = ZoneInfo(self.tz) if self.tz else zone
        first = self.from_ or datetime.fromtimestamp(now, zone).date() - timedelta(days=DEFAULT_DAYS - 1)
        start_at = _start_of(first, zone)
        end_at = int(now) + 1 if self.to is None else _end_of(self.to, zone)
        if not start_at < end_at <= start_at + MAX_DAYS * 86_400:
            detail = f"from must be before to, by at most {MAX_DAYS} days"
            raise Unprocessable("The query is not what it should be.", errors=[FieldError("#/from", detail)])
        return Range(start_at, end_at, zone)


def period_range(period: Period, now: float, zone: ZoneInfo) -> Range:
    """From the start of the day, the week (Monday) or the month until now."""
    today = datetime.fromtimestamp(now, zone)
    back = {"today": 0, "week": today.weekday(), "month": today.day - 1}.get(period, 0)
    return Range(day_start(today - timedelta(days=back), zone), round(now), zone)


def _start_of(moment: date, zone: ZoneInfo) -> int:
    return round(moment.timestamp()) if isinstance(moment, datetime) else _midnight(moment, zone)


def _end_of(moment: date, zone: ZoneInfo) -> int:
    if isinstance(moment, datetime):
        return round(moment.timestamp())
    return _midnight(moment + timedelta(days=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return day_start(datetime(day.year, day.month, day.day), zone)
