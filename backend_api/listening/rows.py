"""Sessions as reports see them: who, when, with what. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from backend_api.contract.sessions import Quality
from backend_api.db import Document
from backend_api.sessions import statistics
from backend_api.sessions.documents import Record, quality_of
from backend_api.sessions.statistics import WholeSpan

NOT_NEEDED = ("i", "said", "seen")
"""Fields of the history that no report reads."""

_FACTS = ("user", "listener", "channel", "stream", "show", "device", "country", "region")


class Row(NamedTuple):
    """One session. `end_at` is None while it is active; `pieces` are what it counts, up to now in that case."""

    id: str
    start_at: float
    end_at: float | None
    status: str
    pieces: tuple[WholeSpan, ...]
    facts: dict[str, str]
    client_seconds: int | None
    quality: Quality

    @property
    def person(self) -> str:
        """Who listened: a user, else a listener's id, else nobody known but this session."""
        if "user" in self.facts:
            return f"u:{self.facts['user']}"
        return f"g:{self.facts['listener']}" if "listener" in self.facts else f"s:{self.id}"

    @property
    def seconds(self) -> int:
        return statistics.total(self.pieces)


class Counted(NamedTuple):
    """A session and what of it counts in a range: time that no earlier session of the same person covers."""

    row: Row
    pieces: list[WholeSpan]

    @property
    def seconds(self) -> int:
        return statistics.total(self.pieces)


def row_of(kept: Document) -> Row:
    """A document of the history."""
    return Row(
        kept["_id"],
        kept["start"],
        kept["end"],
        kept["status"],
        tuple((start, end) for start, end in kept["pieces"]),
        {name: kept[name] for name in _FACTS if name in kept},
        kept["c"],
        Quality.model_construct(**kept["quality"]),
    )


def row_of_record(record: Record) -> Row:
    """A session with the verdict on it now."""
    session, verdict = record
    facts = {name: fact.value for name, fact in session.facts.items() if name in _FACTS}
    return Row(
        session.id,
        session.started_at,
        verdict.end_at,
        verdict.status,
        verdict.pieces,
        facts,
        session.client_seconds,
        quality_of(session),
    )


def counted(rows: Iterable[Row], start_at: int, end_at: int) -> list[Counted]:
    """What counts in a range, in order of start: each second of a person once, for the session that began first.

    Sessions that neither began in the range nor have time in it are left out. Everything that is reported is a sum
    over this, so that totals, buckets and the CSV agree.
    """
    covered: dict[str, list[WholeSpan]] = defaultdict(list)
    result = []
    for row in sorted(rows, key=_by_start):
        clipped = statistics.clip(row.pieces, start_at, end_at)
        if not clipped and not start_at <= row.start_at < end_at:
            continue
        known = covered[row.person]
        pieces = _uncovered(clipped, known)
        covered[row.person] = statistics.whole_union([*known, *clipped]) if known else clipped
        result.append(Counted(row, pieces))
    return result


def _uncovered(pieces: list[WholeSpan], known: list[WholeSpan]) -> list[WholeSpan]:
    if not known or not pieces or pieces[0][0] >= known[-1][1]:
        return pieces
    return statistics.without(pieces, known)


def _by_start(row: Row) -> tuple[Any, ...]:
    return row.start_at, row.id
