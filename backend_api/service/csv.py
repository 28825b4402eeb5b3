"""CSV as an answer: RFC 4180, streamed, cells that a spreadsheet would run made harmless. Knows no columns."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from backend_api.contract.wire import rfc3339

Cell = str | int | float | Decimal | datetime | None

BOM = "\ufeff"
ROWS_PER_PIECE = 500

_FORMULA_STARTS = tuple("=+-@\t\r\0")
_NEEDS_QUOTES = frozenset('",\r\n')


@dataclass(frozen=True, slots=True)
class Csv:
    """A table to be downloaded as `filename`; `rows`, an async generator, are written as they come."""

    filename: str
    columns: Sequence[str]
    rows: AsyncGenerator[Sequence[Cell], None]


def line(cells: Sequence[Cell]) -> str:
    """One record, CRLF included."""
    return ",".join(map(_written, cells)) + "\r\n"


async def pieces(table: Csv, *, bom: bool) -> AsyncGenerator[bytes, None]:
    """The document in UTF-8, header first, some hundred rows at a time."""
    waiting = [(BOM if bom else "") + line(table.columns)]
    async with aclosing(table.rows) as rows:
        async for row in rows:
            waiting.append(line(row))
            if len(waiting) >= ROWS_PER_PIECE:
                yield "".join(waiting).encode()
                waiting.clear()
    yield "".join(waiting).encode()


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return _quoted(f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell)
        case datetime():
            return rfc3339(cell)
    return str(cell)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.intersection(text) else text
