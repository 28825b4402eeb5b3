"""Study sessions as pages and as a table. Pure: knows columns and order, not where the rows come from."""

from collections.abc import AsyncGenerator, Sequence

from backend_api.service.csv import Cell, Csv
from backend_api.sessions.cursors import cursor_of, position
from backend_api.study.messages import Day, StudySession
from backend_api.study.rows import Row

COLUMNS = (
    "id", "userId", "callId", "joinedAt", "leftAt", "duration", "durationSeconds", "durationSource",
    "callDurationSeconds", "providerSeconds", "serverSeconds", "manualSeconds", "differenceSeconds", "status", "reason",
)  # fmt: skip
DAY_COLUMNS = ("date", "hours", "seconds", "sessions")


def page(found: Sequence[Row], limit: int, cursor: str | None) -> tuple[list[Row], str | None]:
    """Those after the cursor's, `limit` of them, and where to go on. `found` is newest first."""
    if cursor is not None:
        at, session_id = position(cursor)
        found = [row for row in found if (-row.joined_at, row.id) > (-at, session_id)]
    shown = list(found[:limit])
    return shown, cursor_of(shown[-1].joined_at, shown[-1].id) if len(found) > limit else None


def table(sessions: Sequence[StudySession]) -> Csv:
    return Csv("study-sessions.csv", COLUMNS, _cells(sessions))


def day_table(days: Sequence[Day]) -> Csv:
    return Csv("study-days.csv", DAY_COLUMNS, _day_cells(days))


async def _cells(sessions: Sequence[StudySession]) -> AsyncGenerator[Sequence[Cell], None]:
    for one in sessions:
        yield [
            one.id, one.user_id, one.call_id, one.joined_at, one.left_at, one.duration, one.duration_seconds,
            one.duration_source, one.call_duration_seconds, one.sources.provider, one.sources.server,
            one.sources.manual, one.difference_seconds, one.status, one.reason,
        ]  # fmt: skip


async def _day_cells(days: Sequence[Day]) -> AsyncGenerator[Sequence[Cell], None]:
    for day in days:
        yield [day.date, day.hours, day.seconds, day.sessions]
