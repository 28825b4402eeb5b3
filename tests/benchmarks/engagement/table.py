"""How rows are told: each one in a line, all in a table of Markdown."""

from tests.benchmarks.engagement.meter import Measured, percentile
from tests.benchmarks.engagement.scenes import Row

HEAD = (
    "what", "median", "worst", "µs an event", "CPU here", "CPU of the database", "documents read: raw, all",
    "loop late p99, worst", "a request beside it p99, worst", "bar",
)  # fmt: skip


def cells(row: Row) -> list[str]:
    found = row.found
    return [
        row.title,
        _ms(found.median),
        _ms(max(found.seconds)),
        f"{1e6 * found.median / row.events:,.0f}" if row.events else "",
        _ms(found.here),
        _ms(found.database),
        f"{found.raw_read:,.0f}, {found.read:,.0f}",
        _late(found.lags),
        _late(found.waits),
        _bar(row.bar_seconds, found),
    ]


def verdict(row: Row) -> str:
    """A row in one line, with the names of its figures."""
    title, *figures = cells(row)
    told = (f"{name} {figure}" for name, figure in zip(HEAD[1:], figures, strict=True) if figure)
    return f"{title}: " + "; ".join(told)


def markdown(rows: list[Row]) -> str:
    lines = [list(HEAD), ["---", *["---:"] * (len(HEAD) - 2), "---"], *map(cells, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _ms(seconds: float) -> str:
    return f"{1_000 * seconds:,.0f} ms"


def _late(values: list[float]) -> str:
    return f"{_ms(percentile(values, 0.99))}, {_ms(max(values))}" if values else ""


def _bar(seconds: float, found: Measured) -> str:
    if not seconds:
        return ""
    return f"<= {_ms(seconds)}: {'met' if found.median <= seconds else 'MISSED'}"
