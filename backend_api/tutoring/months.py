"""Statements by month, and the month's end: what is closed is kept as it was and never computed again.

| collection | one document for | holds |
|---|---|---|
| tutoring_statements | a teacher's closed month | its lines |
| tutoring_months | a closed month | when it was closed; written last |
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from pymongo.errors import DuplicateKeyError

from backend_api.contract.wire import Timestamp, Wire, at
from backend_api.db import Document, Index, Mongo
from backend_api.service.errors import Conflict
from backend_api.tutoring.billing import HOUR_SECONDS, MINUTE_SECONDS, minutes
from backend_api.tutoring.columns import Held, held
from backend_api.tutoring.lesson import Lesson, SoldTerms, may_reopen
from backend_api.tutoring.queries import month_of, month_range
from backend_api.tutoring.statements import Lesson as Billable
from backend_api.tutoring.statements import Line, Terms, lines, totals
from backend_api.tutoring.store import Filter, LessonStore

STATEMENTS, MONTHS = "tutoring_statements", "tutoring_months"
INDEXES = (Index(STATEMENTS, ("month",)),)
CLOSES_AFTER_SECONDS = 24 * HOUR_SECONDS
"""A month is closed so long after its end: by then every late report has arrived."""


class StatementLine(Wire):
    """The lessons of one teacher and one version of a package. Decimals are text; minutes are those billed.

    `countedSeconds` are what is billed from: as measured, or as an admin corrected some (`correctedSessions`; null in
    a month that was closed before these were told apart, and both seconds are those that count there).
    """

    teacher_id: str
    teacher_name: str
    package_id: str | None
    package_version: int | None
    package_name: str | None
    rate: Decimal | None
    rate_unit: str | None
    currency: str | None
    rounding: str | None
    block_minutes: int | None
    minimum_minutes: int | None
    sessions: int
    corrected_sessions: int | None
    counted_seconds: int
    measured_seconds: int
    billed_minutes: Decimal
    billed_units: Decimal
    amount: Decimal | None


class Statement(Wire):
    """A month. While it is not closed its figures may still change."""

    month: str
    timezone: str
    closed: bool
    closed_at: Timestamp | None
    lines: list[StatementLine]
    totals: dict[str, Decimal]


class Months:
    """Statements of the configured time zone's months."""

    def __init__(self, mongo: Mongo, store: LessonStore, zone: str, now: Callable[[], float]) -> None:
        self._statements, self._months = mongo[STATEMENTS], mongo[MONTHS]
        self._store, self._zone, self._now = store, zone, now
        self._first_at = math.inf
        """When the oldest lesson was, as far as is known."""

    async def statement(self, month: str, teacher_id: str | None) -> Statement:
        """A closed month as it was closed, an open one as it stands."""
        closed_at = await self._closed_at(month)
        if closed_at is None:
            written = _lines_of(await self._read(month, teacher_id))
        else:
            written = await self._kept(month, teacher_id)
        return Statement(
            month=month, timezone=self._zone, closed=closed_at is not None, closed_at=closed_at,
            lines=written, totals=totals((line.currency, line.amount) for line in written),
        )  # fmt: skip

    async def close(self, month: str) -> Statement:
        """Freezes a month; closing it again changes nothing. Conflict while it, or a lesson of it, is not over."""
        if self._now() < month_range(month, self._zone)[1]:
            raise Conflict("The month is not over.")
        if await self._closed_at(month) is None and not await self._freeze(month):
            raise Conflict("A lesson that began in this month is still on, or its page was closed a moment ago.")
        return await self.statement(month, None)

    async def is_closed(self, lesson: Lesson) -> bool:
        """Whether the lesson is of a closed month."""
        return await self._closed_at(month_of(lesson.began_or_sent_at, self._zone)) is not None

    async def check_open(self, lesson: Lesson) -> None:
        """Conflict for a lesson of a closed month."""
        if await self.is_closed(lesson):
            raise Conflict("The month of this lesson is closed.")

    async def close_due(self) -> None:
        """The job: closes the months that ended more than a day ago, from the oldest lesson's on.

        One of which a lesson is on waits for the next round.
        """
        self._first_at = await self._store.first_at(min(self._first_at, self._now()))
        closed = {document["_id"] async for document in self._months.find({}, {"_id": 1})}
        month, open_month = (
            month_of(moment, self._zone) for moment in (self._first_at, self._now() - CLOSES_AFTER_SECONDS)
        )
        while month < open_month:
            if month not in closed:
                await self._freeze(month)
            month = month_of(month_range(month, self._zone)[1], self._zone)

    async def _freeze(self, month: str) -> bool:
        """False, and nothing frozen, where a lesson of the month goes on, or may."""
        wanted = Filter(*month_range(month, self._zone))
        found = [document async for document in self._store.facts(wanted)]
        if any(self._may_change(document) for document in found):
            return False
        by_teacher: dict[str, list[Document]] = defaultdict(list)
        for line in _lines_of(map(held, found)):
            by_teacher[line.teacher_id].append(line.model_dump(by_alias=True, mode="json"))
        for teacher_id, written in by_teacher.items():
            key = f"{month}|{teacher_id}"
            kept = {"_id": key, "month": month, "teacherId": teacher_id, "lines": written}
            await self._statements.replace_one({"_id": key}, kept, upsert=True)
        with suppress(DuplicateKeyError):  # Somebody else closed it just now, from the same lessons.
            await self._months.insert_one({"_id": month, "closedAt": at(self._now()), "timezone": self._zone})
        return True

    def _may_change(self, document: Document) -> bool:
        ended = document["sessionEndedAt"]
        ended_at = None if ended is None else ended.timestamp()
        return document["sessionStatus"] == "active" or may_reopen(document["endReason"], ended_at, self._now())

    async def _closed_at(self, month: str) -> datetime | None:
        found = await self._months.find_one({"_id": month})
        return None if found is None else found["closedAt"]

    async def _kept(self, month: str, teacher_id: str | None) -> list[StatementLine]:
        wanted: dict[str, Any] = {"month": month} if teacher_id is None else {"_id": f"{month}|{teacher_id}"}
        kept = [document async for document in self._statements.find(wanted)]
        kept.sort(key=lambda document: str(document["_id"]))
        return [StatementLine.model_validate(_completed(line)) for document in kept for line in document["lines"]]

    async def _read(self, month: str, teacher_id: str | None) -> list[Held]:
        wanted = Filter(*month_range(month, self._zone), teacher_id)
        return [lesson async for some in self._store.held(wanted) for lesson in some]


class _TermsBook:
    """Reads each version of terms once: thousands of lessons share a few."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Terms] = {}

    def read(self, kept: Document) -> Terms:
        key = tuple(kept.values())
        if key not in self._known:
            self._known[key] = SoldTerms.model_validate(kept).for_billing()
        return self._known[key]


def _completed(line: Document) -> Document:
    """A line as it was closed, also before it told counted seconds from measured ones."""
    return {"correctedSessions": None, "countedSeconds": line["measuredSeconds"], **line}


def _lines_of(found: Iterable[Held]) -> list[StatementLine]:
    """The statement on these lessons: those that are over."""
    names: dict[str, str] = {}
    lessons: list[Billable] = []
    terms = _TermsBook()
    for lesson in found:
        teacher_id, names[teacher_id] = lesson.teacher
        if lesson.status in ("ended", "timeout"):
            sold = None if lesson.terms is None else terms.read(lesson.terms)
            lessons.append(
                Billable(teacher_id, lesson.seconds or 0, sold, lesson.measured or 0, bool(lesson.is_corrected))
            )
    return [_written(line, names[line.teacher_id]) for line in lines(lessons)]


def _written(line: Line, teacher_name: str) -> StatementLine:
    terms = line.terms
    tariff = None if terms is None else terms.tariff
    billed = minutes(line.billed_seconds)
    exact = Decimal(line.billed_seconds)
    units = {"session": Decimal(line.sessions), "hour": exact / HOUR_SECONDS, "minute": exact / MINUTE_SECONDS}
    return StatementLine(
        teacher_id=line.teacher_id,
        teacher_name=teacher_name,
        package_id=None if terms is None else terms.package_id,
        package_version=None if terms is None else terms.version,
        package_name=None if terms is None else terms.name,
        rate=None if tariff is None else tariff.rate,
        rate_unit=None if tariff is None else tariff.unit,
        currency=None if tariff is None else tariff.currency,
        rounding=None if tariff is None else tariff.rounding,
        block_minutes=None if tariff is None else tariff.block_minutes,
        minimum_minutes=None if tariff is None else tariff.minimum_minutes,
        sessions=line.sessions,
        corrected_sessions=line.corrected,
        counted_seconds=line.counted_seconds,
        measured_seconds=line.measured_seconds,
        billed_minutes=billed,
        billed_units=Decimal(0) if tariff is None else round(units[tariff.unit], 4),
        amount=line.amount,
    )
