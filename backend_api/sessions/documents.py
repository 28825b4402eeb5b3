"""The collections of sessions: names, indexes, documents. Does no I/O.

| collection | one document for | holds |
|---|---|---|
| sessions_live | a session that is active | what is merged so far |
| sessions | a session that is over | the same, and the verdict on it |

Both: `_id` session, `v` revision, `k` kind, `start`, `i` intervals, `c` what the client claims in seconds, each fact
under its own name and in `said` when it was said. History: `end`, the same as a date in `ended` (by which it goes when
its time is over), `status`, `reason`, `pieces` and `seen` (whole seconds), `quality` (stalls, reconnects, bitrate).
"""

from typing import Any, NamedTuple

from backend_api.contract.sessions import Quality
from backend_api.contract.wire import at
from backend_api.db import Document, Index
from backend_api.sessions.lifecycle import Fact, Interval, Session, Verdict

LIVE = "sessions_live"
HISTORY = "sessions"

_INDEXES = [
    Index(LIVE, ("channel",)),
    Index(LIVE, ("user",)),
    Index(LIVE, ("call",)),
    Index(HISTORY, ("channel", "start")),
    Index(HISTORY, ("user", "start")),
    Index(HISTORY, ("call", "start")),
]


def indexes(kept_seconds: int, *, embedded: bool) -> list[Index]:
    """The indexes; on MongoDB the one on `ended` removes what is over its time, elsewhere `purge` does."""
    return [*_INDEXES, Index(HISTORY, ("ended",), None if embedded else kept_seconds)]


class Record(NamedTuple):
    """A session with the verdict on it."""

    session: Session
    verdict: Verdict


def document(session: Session, revision: int) -> Document:
    """A session as it is kept while it is active."""
    return {
        "_id": session.id,
        "v": revision,
        "k": session.kind,
        "start": session.started_at,
        "i": [_packed(interval) for interval in session.intervals],
        "c": session.client_seconds,
        "said": {name: fact.said_at for name, fact in session.facts.items()},
        **{name: fact.value for name, fact in session.facts.items()},
    }


def history_document(record: Record, revision: int) -> Document:
    """A session as it is kept once it is over."""
    session, verdict = record
    return {
        **document(session, revision),
        "end": verdict.end_at,
        "ended": None if verdict.end_at is None else at(verdict.end_at),
        "status": verdict.status,
        "reason": verdict.reason,
        "pieces": [list(piece) for piece in verdict.pieces],
        "seen": [list(piece) for piece in verdict.seen],
        "quality": quality_of(session).model_dump(),
    }


def session_of(kept: Document) -> Session:
    intervals = tuple(_unpacked(packed) for packed in kept["i"])
    facts = {name: Fact(at, kept[name]) for name, at in kept["said"].items()}
    return Session(kept["_id"], kept["k"], intervals, facts, kept["c"])


def verdict_of(kept: Document) -> Verdict:
    """The verdict that a document of the history holds."""
    pieces, seen = ([(start, end) for start, end in kept[name]] for name in ("pieces", "seen"))
    return Verdict(kept["status"], kept["end"], kept["reason"], tuple(pieces), tuple(seen))


def quality_of(session: Session) -> Quality:
    """Stalls and reconnects of all intervals, and the latest bitrate."""
    said = [interval.quality for interval in session.intervals if interval.quality is not None]
    bitrates = [quality.bitrate for quality in said if quality.bitrate is not None]
    return Quality(
        buffering=sum(quality.buffering for quality in said),
        reconnects=sum(quality.reconnects for quality in said),
        bitrate=bitrates[-1] if bitrates else None,
    )


def _packed(interval: Interval) -> list[Any]:
    i, q = interval, interval.quality
    quality = None if q is None else [q.buffering, q.reconnects, q.bitrate]
    return [i.id, i.node, i.boot, i.version, i.started_at, i.last_seen_at, i.closed_at, i.reason, quality]


def _unpacked(packed: list[Any]) -> Interval:
    said = packed[-1]
    quality = None if said is None else Quality(buffering=said[0], reconnects=said[1], bitrate=said[2])
    return Interval(*[*packed[:-1], quality])
