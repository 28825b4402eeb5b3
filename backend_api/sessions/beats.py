"""What HTTP says about a session, as intervals of the node `http`: start, beat, end. Pure.

A beat stands for the kind's `stale_seconds`; the next one after that is an interval of its own.
"""

from dataclasses import replace

from backend_api.contract.sessions import TIMINGS, Reason, SessionKind
from backend_api.sessions.lifecycle import HTTP_NODE, Fact, Interval, Session


def started(session_id: str, kind: SessionKind, facts: dict[str, str | None], now: float) -> Session:
    """A session that begins now; facts that are None are not known."""
    known = {name: Fact(now, value) for name, value in facts.items() if value is not None}
    return Session(session_id, kind, (_fresh(now),), known)


def beaten(session: Session, now: float) -> Session:
    """What a beat at `now` adds to the session."""
    current = _current(session, now)
    interval = _fresh(now) if current is None else _seen(current, now)
    return replace(session, intervals=(interval,))


def ended(session: Session, now: float, reason: Reason, client_seconds: int | None = None) -> Session:
    """What an end at `now` adds to the session."""
    current = _current(session, now)
    interval = _fresh(now) if current is None else _seen(current, now)
    closed = replace(interval, closed_at=interval.last_seen_at, reason=reason)
    return replace(session, intervals=(closed,), client_seconds=client_seconds)


def claimed(session: Session, client_seconds: int | None) -> Session:
    """The same with what the client claims."""
    return replace(session, client_seconds=client_seconds)


def _current(session: Session, now: float) -> Interval | None:
    """The interval that a beat at `now` prolongs."""
    last = session.latest(HTTP_NODE)
    is_open = last is not None and last.closed_at is None
    return last if last and is_open and now - last.last_seen_at <= TIMINGS[session.kind].stale_seconds else None


def _seen(interval: Interval, now: float) -> Interval:
    return replace(interval, last_seen_at=max(now, interval.last_seen_at), version=interval.version + 1)


def _fresh(now: float) -> Interval:
    return Interval(f"http-{round(now * 1000)}", HTTP_NODE, 0, 1, now, now)
