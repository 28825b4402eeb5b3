"""The record behind a tutoring link and every change it may undergo. Pure: functions of the record and `now`.

    pending --start--> active --end--> ended            the End button, the page's close
       |                  |  `--sweep-> timeout         silent too long: over at the last sign of life
       `--cancel--> cancelled

A page that is reloaded says that it closes and is back a moment later: an end by `pageClose` is taken back by a sign of
life within the grace. Being away is no end: a phone suspends the page while the meeting is open. But a sign of life
that comes the timeout or more after the one before it comes after the end, whether or not a sweep has noticed that yet.
"""

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from backend_api.contract.sessions import TIMINGS
from backend_api.service.errors import Conflict
from backend_api.sessions.statistics import Span, union
from backend_api.tutoring.billing import RateUnit, Rounding, Tariff
from backend_api.tutoring.fields import Moment, Money
from backend_api.tutoring.statements import Terms

Status = Literal["pending", "active", "ended", "timeout", "cancelled"]
EndReason = Literal["button", "pageClose", "timeout"]
DeliveryState = Literal["waiting", "delivered", "failed", "none"]

CLOSE_GRACE_SECONDS = 90.0
"""Longer than the minute between two timers of a hidden tab: a second tab takes the first one's close back."""


class _Stored(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="ignore",
        defer_build=True,
    )


class SoldTerms(_Stored):
    """The version of a package that the lesson is sold under, copied so that it never changes."""

    package_id: str | None = None
    version: int = 0
    name: str = ""
    rate: Annotated[Money, Field(alias="packageRate")]
    rate_unit: RateUnit
    currency: str
    rounding: Rounding
    block_minutes: int
    minimum_minutes: int

    def for_billing(self) -> Terms:
        tariff = Tariff(
            self.rate, self.rate_unit, self.currency, self.rounding, self.block_minutes, self.minimum_minutes
        )
        return Terms(self.package_id, self.version, self.name, tariff)


class Delivery(_Stored):
    """Whether the student got the link. `next_at`: when it is tried again, or for the first time."""

    state: DeliveryState
    attempts: int = 0
    next_at: Moment | None = None
    reason: str | None = None


class Correction(_Stored):
    """An admin's word on the duration; the measured one stays beside it."""

    seconds: int
    reason: str
    by: str
    at: Moment


class Lesson(_Stored):
    """One link and the lesson it opens. Times are Unix seconds; `began_or_sent_at` is what lists are ordered by."""

    id: Annotated[str, Field(alias="_id")]
    rev: int = 0
    teacher_id: str
    teacher_name: str
    student_id: str
    student_name: str
    link: str
    chat_id: str | None = None
    sent_at: Annotated[Moment, Field(alias="sentTime")]
    expires_at: Moment
    created_from: str
    status: Annotated[Status, Field(alias="sessionStatus")] = "pending"
    began_or_sent_at: Annotated[Moment, Field(alias="at")]
    clicked_at: Moment | None = None
    started_by_creator: bool = False
    last_activity_at: Moment | None = None
    ended_at: Annotated[Moment | None, Field(alias="sessionEndedAt")] = None
    end_reason: EndReason | None = None
    duration_seconds: int | None = None
    duration_minutes: Annotated[int | None, Field(alias="sessionDurationMinutes")] = None
    client_minutes: float | None = None
    seen: tuple[Span, ...] = ()
    """Every stretch of presence that was ever reported; `last_activity_at` and `seen_seconds` are read from it."""
    seen_seconds: int = 0
    connected: bool = False
    terms: SoldTerms | None = None
    delivery: Delivery
    corrections: tuple[Correction, ...] = ()

    @property
    def billed_from_seconds(self) -> int:
        """What billing starts from: the last correction, else the measured duration."""
        return self.corrections[-1].seconds if self.corrections else self.duration_seconds or 0

    @property
    def client_difference_seconds(self) -> int | None:
        """How much longer the page believed the lesson to be than it was measured; None while either is unknown."""
        if self.client_minutes is None or self.duration_seconds is None:
            return None
        return round(self.client_minutes * 60) - self.duration_seconds

    def is_expired(self, now: float) -> bool:
        """Whether nobody has opened it, and nobody can any more."""
        return self.status == "pending" and now >= self.expires_at

    def with_(self, **changes: object) -> "Lesson":
        return self.model_copy(update=changes)


class Claimed(NamedTuple):
    """What a client says about an end; advisory."""

    reason: Literal["button", "pageClose"]
    minutes: float | None = None


def started(lesson: Lesson, now: float, *, address: str, timeout_seconds: float) -> Lesson:
    """The lesson once the student goes to the meeting, however often. Conflict once it is over or expired."""
    if lesson.status == "pending":
        if lesson.is_expired(now):
            raise Conflict("The link has expired.")
        lesson = lesson.with_(
            status="active", clicked_at=now, began_or_sent_at=now, started_by_creator=address == lesson.created_from
        )
    lesson = alive(lesson, now, timeout_seconds=timeout_seconds)
    if lesson.status != "active":
        raise Conflict(f"The lesson is over: {lesson.status}.")
    return lesson


def alive(lesson: Lesson, now: float, *, timeout_seconds: float) -> Lesson:
    """A sign of life by HTTP. It starts nothing, and only takes back the close of a page that was merely reloaded."""
    lesson = _reopened(lesson) if may_reopen(lesson.end_reason, lesson.ended_at, now) else lesson
    lesson = swept(lesson, now, timeout_seconds=timeout_seconds)
    if lesson.status != "active":
        return lesson
    last = lesson.last_activity_at
    here = (
        last if last is not None and 0 <= now - last <= TIMINGS["tutoring"].stale_seconds and lesson.seen else now,
        now,
    )
    return _seen(lesson, (here,), timeout_seconds)


def may_reopen(reason: EndReason | None, ended_at: float | None, now: float) -> bool:
    """Whether a lesson that ended so may still turn out to go on: its page was closed, perhaps to be reloaded."""
    return reason == "pageClose" and ended_at is not None and now - ended_at <= CLOSE_GRACE_SECONDS


def ended(lesson: Lesson, now: float, claimed: Claimed, *, timeout_seconds: float) -> Lesson:
    """Over by the student's wish, by the server's clock; what is over stays as it is. Conflict if it never began.

    Where a socket's `end` was heard of first, this is what brings the client's own minutes.
    """
    if lesson.status == "pending":
        raise Conflict("The lesson has not begun.")
    lesson = swept(lesson, now, timeout_seconds=timeout_seconds)
    if lesson.status == "ended" and lesson.client_minutes is None:
        return lesson.with_(client_minutes=claimed.minutes)
    if lesson.status != "active":
        return lesson
    lesson = alive(lesson, now, timeout_seconds=timeout_seconds) if claimed.reason == "button" else lesson
    return _over(lesson, "ended", now, claimed.reason).with_(client_minutes=claimed.minutes)


def cancelled(lesson: Lesson) -> Lesson:
    """Conflict once somebody has opened it."""
    if lesson.status not in ("pending", "cancelled"):
        raise Conflict("Only a link that nobody has opened can be cancelled.")
    return lesson.with_(status="cancelled", delivery=lesson.delivery.model_copy(update={"next_at": None}))


def swept(lesson: Lesson, now: float, *, timeout_seconds: float) -> Lesson:
    """Over at the last sign of life, if that is longer ago than the timeout and no socket is open."""
    if lesson.connected or not is_silent(lesson, now, timeout_seconds=timeout_seconds):
        return lesson
    return _over(lesson, "timeout", lesson.last_activity_at or now, "timeout")


def is_silent(lesson: Lesson, now: float, *, timeout_seconds: float) -> bool:
    """Whether it is on, and its last sign of life is as long ago as the timeout."""
    last = lesson.last_activity_at
    return lesson.status == "active" and last is not None and now - last >= timeout_seconds


def observed(
    lesson: Lesson, stretches: tuple[Span, ...], *, connected: bool, ends: tuple[float, ...], timeout_seconds: float
) -> Lesson:
    """What the sockets saw, in any order and number. `ends`: when `end` events came, each within one of the stretches.

    A timeout gives way to a later sign of life, or an `end`, that is reported late; `swept` says if it is one still.
    Of two ends the earlier one counts. What an admin has corrected is settled, and all this is evidence only.
    """
    if lesson.clicked_at is None:
        return lesson
    lesson = _seen(lesson, stretches, timeout_seconds)
    lesson = lesson if lesson.corrections else _concluded(lesson, ends)
    return lesson.with_(connected=connected and lesson.status == "active")


def corrected(lesson: Lesson, correction: Correction) -> Lesson:
    """Conflict unless the lesson is over, and for good. What was said last and is said again changes nothing."""
    if lesson.status not in ("ended", "timeout"):
        raise Conflict("Only a lesson that is over can be corrected.")
    if may_reopen(lesson.end_reason, lesson.ended_at, correction.at):
        raise Conflict("The lesson's page was closed a moment ago and may be back; try again in two minutes.")
    if lesson.corrections and lesson.corrections[-1].model_copy(update={"at": correction.at}) == correction:
        return lesson
    return lesson.with_(corrections=(*lesson.corrections, correction))


def _concluded(lesson: Lesson, ends: tuple[float, ...]) -> Lesson:
    """Ended by the first `end`, or on again, as far as what was seen says so."""
    began_at, last, over_at = lesson.clicked_at or 0.0, lesson.last_activity_at or 0.0, lesson.ended_at
    said_at = min((at for at in ends if began_at <= at <= last), default=None)
    if said_at is not None and (over_at is None or lesson.status == "timeout" or said_at < over_at):
        return _over(lesson, "ended", said_at, "button")
    is_on = lesson.status == "timeout" and over_at is not None and last > over_at
    return _reopened(lesson) if is_on else lesson


def _seen(lesson: Lesson, stretches: tuple[Span, ...], timeout_seconds: float) -> Lesson:
    """With these stretches too. The last sign of life is that before the first gap as long as the timeout."""
    seen = tuple(union((*lesson.seen, *stretches)))
    first = last = lesson.clicked_at or 0.0
    for start, end in seen:
        if start - last >= timeout_seconds:
            break
        last = max(last, end)
    return _evident(lesson.with_(seen=seen, last_activity_at=max(first, last)))


def _evident(lesson: Lesson) -> Lesson:
    """With what of the presence lies within the lesson, beside its duration."""
    first, last = lesson.clicked_at or 0.0, lesson.last_activity_at or 0.0
    until = last if lesson.ended_at is None else min(last, lesson.ended_at)
    return lesson.with_(seen_seconds=sum(_whole(max(start, first), min(end, until)) for start, end in lesson.seen))


def _whole(start: float, end: float) -> int:
    """Full seconds between two times that are kept to the millisecond; binary fractions must not cost one."""
    return max(0, round((end - start) * 1000)) // 1000


def _over(lesson: Lesson, status: Status, at: float, reason: EndReason) -> Lesson:
    began_at = lesson.clicked_at or at
    seconds = _whole(began_at, at)
    return _evident(
        lesson.with_(
            status=status,
            ended_at=max(at, began_at),
            end_reason=reason,
            duration_seconds=seconds,
            duration_minutes=seconds // 60,
            connected=False,
        )
    )


def _reopened(lesson: Lesson) -> Lesson:
    return _evident(
        lesson.with_(
            status="active",
            ended_at=None,
            end_reason=None,
            duration_seconds=None,
            duration_minutes=None,
            client_minutes=None,
        )
    )
