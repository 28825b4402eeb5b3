"""What may be asked of lessons and statements: filters, days and months in a time zone, the shapes of the answers."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from backend_api.contract.rooms import RoomId
from backend_api.contract.wire import Timestamp, Wire, at
from backend_api.sessions.ranges import Moment, RangeQuery, Zone
from backend_api.sessions.statistics import day_start
from backend_api.tutoring.billing import Charge, charge
from backend_api.tutoring.lesson import Lesson, Status
from backend_api.tutoring.store import Filter

Month = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


class LessonQuery(RangeQuery):
    """Days are whole days of `tz`, `to` included; `date` is a single one. Without any, the last 30 days."""

    date: Moment | None = None
    status: Status | Literal["all"] = "all"
    teacher: RoomId | None = None
    student: RoomId | None = None

    def filter(self, now: float, default_zone: str) -> Filter:
        """Unprocessable for an impossible range."""
        asked = self if self.date is None else self.model_copy(update={"from_": self.date, "to": self.date})
        start_at, end_at, _ = asked.range(now, ZoneInfo(default_zone))
        status = None if self.status == "all" else self.status
        return Filter(start_at, end_at, self.teacher, self.student, status)


class LessonListQuery(LessonQuery):
    """A page of lessons, newest first."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, StringConstraints(max_length=200)] | None = None


class StatementQuery(Wire):
    """A month of the configured time zone; without one, the current month."""

    month: Month | None = None
    teacher: RoomId | None = None


class CorrectionRow(Wire):
    """Who said what about a duration, and why."""

    duration_seconds: int
    reason: str
    by: str
    at: Timestamp


class LessonRow(Wire):
    """A lesson as lists show it. `billedFromSeconds` is the duration that counts: corrected, else measured.

    `differenceSeconds` is what the page claims beyond what was measured. `billedSeconds` and `amount` are what its
    terms make of it, once it is over; a statement's lines are sums of these.
    """

    id: str
    teacher_id: str
    teacher_name: str
    student_id: str
    student_name: str
    link: str
    sent_time: Timestamp
    expires_at: Timestamp
    delivered: Literal["waiting", "delivered", "failed", "none"]
    delivery_reason: str | None
    session_status: Status
    clicked_at: Timestamp | None
    session_ended_at: Timestamp | None
    end_reason: Literal["button", "pageClose", "timeout"] | None
    session_duration_minutes: int | None
    duration_seconds: int | None
    billed_from_seconds: int
    billed_seconds: int | None
    amount: Decimal | None
    client_duration_minutes: float | None
    difference_seconds: int | None
    seen_seconds: int
    present: bool
    last_activity_at: Timestamp | None
    started_by_creator: bool
    package_id: str | None
    package_name: str | None
    package_rate: Decimal | None
    rate_unit: Literal["session", "hour", "minute"] | None
    currency: str | None
    corrections: list[CorrectionRow]


class DayQuery(Wire):
    """Whose midnight is meant."""

    tz: Zone | None = None


class DaysLessons(Wire):
    """A teacher's lessons of today, newest first; below them older ones that are on, or can still be opened."""

    sessions: list[LessonRow]


class GroupFigures(Wire):
    """A teacher's or a student's share. Only seconds add up exactly; minutes are rounded to two decimals."""

    id: str
    name: str
    sessions: int
    total_seconds: int
    total_minutes: float


class LessonFigures(Wire):
    """Statistics over everything that the filter names, not only the page. Minutes are those that count."""

    total: int
    active: int
    average_minutes: float
    total_seconds: int
    total_minutes: float
    by_status: dict[str, int]
    per_teacher: list[GroupFigures]
    per_student: list[GroupFigures]


class LessonPage(Wire):
    """A page of lessons and the figures of the whole filter."""

    sessions: list[LessonRow]
    statistics: LessonFigures
    next_cursor: str | None


def row(lesson: Lesson) -> LessonRow:
    terms = lesson.terms
    due = bill(lesson)
    return LessonRow(
        id=lesson.id,
        teacher_id=lesson.teacher_id,
        teacher_name=lesson.teacher_name,
        student_id=lesson.student_id,
        student_name=lesson.student_name,
        link=lesson.link,
        sent_time=at(lesson.sent_at),
        expires_at=at(lesson.expires_at),
        delivered=lesson.delivery.state,
        delivery_reason=lesson.delivery.reason,
        session_status=lesson.status,
        clicked_at=moment(lesson.clicked_at),
        session_ended_at=moment(lesson.ended_at),
        end_reason=lesson.end_reason,
        session_duration_minutes=lesson.duration_minutes,
        duration_seconds=lesson.duration_seconds,
        billed_from_seconds=lesson.billed_from_seconds,
        billed_seconds=None if due is None else due.billed_seconds,
        amount=None if due is None else due.amount,
        client_duration_minutes=lesson.client_minutes,
        difference_seconds=lesson.client_difference_seconds,
        seen_seconds=lesson.seen_seconds,
        present=lesson.connected,
        last_activity_at=moment(lesson.last_activity_at),
        started_by_creator=lesson.started_by_creator,
        package_id=terms.package_id if terms else None,
        package_name=terms.name if terms else None,
        package_rate=terms.rate if terms else None,
        rate_unit=terms.rate_unit if terms else None,
        currency=terms.currency if terms else None,
        corrections=[
            CorrectionRow(duration_seconds=item.seconds, reason=item.reason, by=item.by, at=at(item.at))
            for item in lesson.corrections
        ],
    )


def bill(lesson: Lesson) -> Charge | None:
    """What a lesson costs; None while it is not over, and without terms."""
    if lesson.terms is None or lesson.status not in ("ended", "timeout"):
        return None
    return charge(lesson.billed_from_seconds, lesson.terms.for_billing().tariff)


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else at(seconds)


def month_range(month: str, zone: str) -> tuple[int, int]:
    """From the month's first moment to the next one's, in Unix seconds."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=ZoneInfo(zone))
    following = (first + timedelta(days=32)).replace(day=1)
    return day_start(first, ZoneInfo(zone)), day_start(following, ZoneInfo(zone))


def month_of(now: float, zone: str) -> str:
    return datetime.fromtimestamp(now, ZoneInfo(zone)).strftime("%Y-%m")
