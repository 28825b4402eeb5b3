"""Lessons and statements as tables to download. Knows columns, not where the rows come from."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from backend_api.service.csv import Cell, Csv
from backend_api.tutoring.lesson import Lesson, SoldTerms
from backend_api.tutoring.months import Statement
from backend_api.tutoring.queries import bill, moment

LESSON_COLUMNS = (
    "teacher", "student", "start", "end", "duration", "status", "package", "rate",
    "durationSeconds", "billedFromSeconds", "billedSeconds", "amount", "seenSeconds", "endReason", "rateUnit",
    "currency", "sent", "id", "delivery", "deliveryReason", "startedByCreator", "clientDurationMinutes",
    "differenceSeconds", "correctedBy", "correctedAt", "correctionReason",
)  # fmt: skip
STATEMENT_COLUMNS = (
    "month", "teacherId", "teacher", "package", "version", "rate", "rateUnit", "currency", "rounding", "blockMinutes",
    "minimumMinutes", "sessions", "correctedSessions", "measuredSeconds", "countedSeconds", "billedMinutes",
    "billedUnits", "amount", "closed",
)  # fmt: skip


def lessons(rows: AsyncIterator[Lesson]) -> Csv:
    """`duration` is in whole minutes, as the session's record has it."""
    return Csv("teacher-sessions.csv", LESSON_COLUMNS, _lesson_cells(rows))


def statement(written: Statement) -> Csv:
    return Csv(f"statement-{written.month}.csv", STATEMENT_COLUMNS, _statement_cells(written))


async def _lesson_cells(rows: AsyncIterator[Lesson]) -> AsyncGenerator[Sequence[Cell], None]:
    async for lesson in rows:
        yield [
            lesson.teacher_name, lesson.student_name, moment(lesson.clicked_at), moment(lesson.ended_at),
            lesson.duration_minutes, lesson.status, *_sold(lesson.terms)[:2],
            lesson.duration_seconds, lesson.billed_from_seconds, *_due(lesson), lesson.seen_seconds, lesson.end_reason,
            *_sold(lesson.terms)[2:], moment(lesson.sent_at), lesson.id, lesson.delivery.state, lesson.delivery.reason,
            _yes(lesson.started_by_creator), lesson.client_minutes, lesson.client_difference_seconds,
            *_corrected(lesson),
        ]  # fmt: skip


async def _statement_cells(written: Statement) -> AsyncGenerator[Sequence[Cell], None]:
    for line in written.lines:
        yield [
            written.month, line.teacher_id, line.teacher_name, line.package_name, line.package_version, line.rate,
            line.rate_unit, line.currency, line.rounding, line.block_minutes, line.minimum_minutes, line.sessions,
            line.corrected_sessions, line.measured_seconds, line.counted_seconds, line.billed_minutes,
            line.billed_units, line.amount,
            _yes(written.closed),
        ]  # fmt: skip
    for currency, amount in written.totals.items():
        known: dict[str, Cell] = {"month": written.month, "teacher": "total", "currency": currency, "amount": amount}
        yield [known.get(column) for column in STATEMENT_COLUMNS]


def _due(lesson: Lesson) -> tuple[Cell, Cell]:
    """Billed seconds and amount."""
    due = bill(lesson)
    return (None, None) if due is None else (due.billed_seconds, due.amount)


def _corrected(lesson: Lesson) -> tuple[Cell, Cell, Cell]:
    """By whom, when and why the duration was corrected last."""
    if not lesson.corrections:
        return None, None, None
    last = lesson.corrections[-1]
    return last.by, moment(last.at), last.reason


def _yes(fact: bool) -> Cell:
    return "yes" if fact else "no"


def _sold(terms: SoldTerms | None) -> tuple[Cell, Cell, Cell, Cell]:
    """Package, rate, unit, currency."""
    return (
        (None,) * 4 if terms is None else (terms.name or terms.package_id, terms.rate, terms.rate_unit, terms.currency)
    )
