"""Lists of listening sessions: pages, latest first, and whole ranges for tables."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Mapping, Sequence

from backend_api.contract.wire import at
from backend_api.listening.messages import SessionPage, listed
from backend_api.listening.rows import Counted, Row, counted
from backend_api.listening.source import Source
from backend_api.service.csv import Cell
from backend_api.service.errors import FieldError, Unprocessable
from backend_api.sessions.ranges import Range

COLUMNS = (
    "id", "channelId", "channelName", "streamId", "showId", "userId", "listenerId", "startTime", "endTime",
    "durationSeconds", "countedSeconds", "clientDurationSeconds", "status", "device", "country", "region",
    "buffering", "reconnects",
)  # fmt: skip


async def page(
    source: Source, fact: str, value: str, asked: Range, status: str, limit: int, cursor: str | None
) -> SessionPage:
    """The sessions that began in the range, `limit` of them, those after the cursor's."""
    before = None if cursor is None else _position(cursor)
    rows = await source.latest(fact, value, asked.start_at, asked.end_at, limit + 1, status, before)
    more = len(rows) > limit
    shown = rows[:limit]
    return SessionPage(sessions=[listed(row) for row in shown], next_cursor=_cursor(shown[-1]) if more else None)


async def table(
    rows: Sequence[Row], asked: Range, status: str, names: Mapping[str, str]
) -> AsyncGenerator[Sequence[Cell], None]:
    """One line a session. `countedSeconds` add up to the total of the same range."""
    for some in counted(rows, asked.start_at, asked.end_at):
        if status in ("all", some.row.status):
            yield _line(some, names.get(some.row.facts.get("channel", ""), ""))


def _cursor(row: Row) -> str:
    return urlsafe_b64encode(f"{row.start_at!r}|{row.id}".encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[float, str]:
    """Start and id of the last session of the page before."""
    try:
        start, _, session_id = urlsafe_b64decode(cursor + "==").decode().partition("|")
        return float(start), session_id
    except ValueError:
        errors = [FieldError("#/cursor", "not a cursor of this list")]
        raise Unprocessable("The query is not what it should be.", errors=errors) from None


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
