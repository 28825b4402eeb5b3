"""Lists of listening sessions: pages, latest first, and whole ranges for tables."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from backend_api.contract.wire import at
from backend_api.listening.messages import SessionPage, listed
from backend_api.listening.rows import Counted, Row, counted
from backend_api.listening.source import MAX_SECONDS, Source
from backend_api.service.csv import Cell
from backend_api.sessions.cursors import cursor_of, position
from backend_api.sessions.ranges import Range
from backend_api.sessions.statistics import clip

COLUMNS = (
    "id", "channelId", "channelName", "streamId", "showId", "userId", "listenerId", "startTime", "endTime",
    "durationSeconds", "countedSeconds", "clientDurationSeconds", "status", "device", "country", "region",
    "buffering", "reconnects",
)  # fmt: skip


async def page(
    source: Source, fact: str, value: str, asked: Range, status: str, limit: int, cursor: str | None
) -> SessionPage:
    """The sessions of the range, `limit` of them, those after the cursor's: the table's rows, latest first."""
    before = None if cursor is None else position(cursor)
    rows = await _latest(source, fact, value, asked, status, limit + 1, before)
    shown = rows[:limit]
    near = await source.rows_by(fact, value, shown[-1].start_at, shown[0].start_at + 1) if shown else []
    seconds = {some.row.id: some.seconds for some in counted(near, asked.start_at, asked.end_at)}
    return SessionPage(
        sessions=[listed(row, seconds.get(row.id, 0)) for row in shown],
        next_cursor=cursor_of(shown[-1].start_at, shown[-1].id) if len(rows) > limit else None,
    )


async def _latest(
    source: Source, fact: str, value: str, asked: Range, status: str, limit: int, before: tuple[float, str] | None
) -> list[Row]:
    """Those that began in the range, and those that began before it and reach into it."""
    found: list[Row] = []
    while True:
        rows = await source.latest(fact, value, asked.start_at - MAX_SECONDS, asked.end_at, limit, status, before)
        found += [
            row for row in rows if row.start_at >= asked.start_at or clip(row.pieces, asked.start_at, asked.end_at)
        ]
        if len(found) >= limit or len(rows) < limit:
            return found[:limit]
        before = rows[-1].start_at, rows[-1].id


async def table(
    rows: Sequence[Row], asked: Range, status: str, names: Mapping[str, str]
) -> AsyncGenerator[Sequence[Cell], None]:
    """One line a session. `countedSeconds` add up to the total of the same range."""
    for some in counted(rows, asked.start_at, asked.end_at):
        if status in ("all", some.row.status):
            yield _line(some, names.get(some.row.facts.get("channel", ""), ""))


def _line(some: Counted, channel_name: str) -> list[Cell]:
    row, facts = some.row, some.row.facts
    return [
        row.id,
        facts.get("channel"),
        channel_name,
        facts.get("stream"),
        facts.get("show"),
        facts.get("user"),
        facts.get("listener"),
        at(row.start_at),
        None if row.end_at is None else at(row.end_at),
        row.seconds,
        some.seconds,
        row.client_seconds,
        row.status,
        facts.get("device"),
        facts.get("country"),
        facts.get("region"),
        row.quality.buffering,
        row.quality.reconnects,
    ]
