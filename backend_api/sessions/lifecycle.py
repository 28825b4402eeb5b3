"""What a session is and when it is over (DESIGN §8): intervals are merged, a verdict is read from them. No I/O.

Merging is commutative, associative and idempotent. A verdict depends on the merged record, the leases and `now` alone,
so the order and number of reports cannot change a session, and a late report corrects it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal, NamedTuple

from backend_api.contract.sessions import DELIBERATE, LEFT, TIMINGS, Quality, Reason, SessionKind, Timing
from backend_api.nodes.leases import Leases
from backend_api.sessions import statistics
from backend_api.sessions.statistics import Span, WholeSpan

Status = Literal["active", "completed", "timeout"]

MAX_ID_LENGTH = 120

HTTP_NODE = "http"
"""The node of intervals that HTTP beats keep alive; it has no lease."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One stretch of a socket, or of HTTP beats, that carries a session. Times are Unix seconds."""

    id: str
    node: str
    boot: int
    version: int
    started_at: float
    last_seen_at: float
    closed_at: float | None = None
    reason: Reason | None = None
    quality: Quality | None = None

    def merge(self, other: "Interval") -> "Interval":
        """The same interval, known from both: first start, last sign of life, the rest from the higher version."""
        newer = max(self, other, key=_rank)
        start, seen = min(self.started_at, other.started_at), max(self.last_seen_at, other.last_seen_at)
        return replace(newer, started_at=start, last_seen_at=seen)


def _rank(interval: Interval) -> tuple[object, ...]:
    """Total, so that two reports of one version cannot leave the result to their order."""
    quality = interval.quality or Quality()
    closed = (interval.closed_at is not None, interval.closed_at or 0.0, interval.reason or "")
    how = (quality.buffering, quality.reconnects, quality.bitrate or 0, interval.quality is not None)
    return (interval.version, *closed, *how, interval.node, interval.boot)


class Fact(NamedTuple):
    """Something said about a session, and the start of the interval that said it; the earliest one stands."""

    said_at: float
    value: str


@dataclass(frozen=True, slots=True)
class Session:
    """Everything known of one session.

    `facts` by name: user, listener, channel, stream, show, call, link, agent, address and what a kind adds.
    `client_seconds` is what the client claims: kept, never counted.
    """

    id: str
    kind: SessionKind
    intervals: tuple[Interval, ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    client_seconds: int | None = None

    @property
    def started_at(self) -> float:
        return self.intervals[0].started_at

    def fact(self, name: str) -> str | None:
        known = self.facts.get(name)
        return known.value if known is not None else None

    def merge(self, other: "Session") -> "Session":
        """One session out of two states of it."""
        intervals = {interval.id: interval for interval in self.intervals}
        for interval in other.intervals:
            known = intervals.get(interval.id)
            intervals[interval.id] = interval if known is None else known.merge(interval)
        facts = dict(self.facts)
        for name, fact in other.facts.items():
            facts[name] = min(fact, facts.get(name, fact))
        claims = [claim for claim in (self.client_seconds, other.client_seconds) if claim is not None]
        ordered = tuple(sorted(intervals.values(), key=lambda interval: (interval.started_at, interval.id)))
        return replace(self, intervals=ordered, facts=facts, client_seconds=max(claims, default=None))

    def latest(self, node: str) -> Interval | None:
        """The last interval that is kept by this node."""
        return next((interval for interval in reversed(self.intervals) if interval.node == node), None)


class Verdict(NamedTuple):
    """What a session amounts to at a moment. While it is active, `end_at` is None and time counts up to now.

    `pieces` are what is counted: disjoint, in order, whole seconds; `seen` is the time of actual presence.
    """

    status: Status
    end_at: float | None
    reason: Reason | Literal["timeout"] | None
    pieces: tuple[WholeSpan, ...]
    seen: tuple[WholeSpan, ...]

    @property
    def seconds(self) -> int:
        return statistics.total(self.pieces)

    @property
    def seen_seconds(self) -> int:
        return statistics.total(self.seen)


def merged(known: Session | None, *reported: Session) -> Session:
    """`known` with everything that is reported of it."""
    return reduce(Session.merge, reported if known is None else (known, *reported))


def continued(session: Session) -> Session | None:
    """What went on after the session's end was meant: a session of its own, or None where nothing did.

    Its token may have been shown to a node that could not know of the end, or another tab plays on. It depends on the
    record alone and only grows with it, so that it too is the same in any order of the reports.
    """
    timing = TIMINGS[session.kind]
    stops = [i.closed_at for i in session.intervals if i.closed_at is not None and i.reason in DELIBERATE]
    if not stops or not timing.ends_with_socket:
        return None
    stop = min(stops)
    later = [i for i in session.intervals if _goes_beyond(i, stop, timing.grace_seconds)]
    if not later:
        return None
    rest = tuple(replace(i, started_at=max(i.started_at, stop)) for i in later)
    return Session(f"{session.id[:MAX_ID_LENGTH]}~", session.kind, rest, session.facts)


def _goes_beyond(interval: Interval, stop: float, grace_seconds: float) -> bool:
    """Begun after the stop, or going on for longer than a socket takes to notice that it was stopped."""
    until = interval.last_seen_at if interval.closed_at is None else interval.closed_at
    is_the_stop = interval.closed_at == stop and interval.reason in DELIBERATE
    return not is_the_stop and (interval.started_at > stop or until > stop + grace_seconds)


def judge(session: Session, leases: Leases, now: float, *, timings: Mapping[SessionKind, Timing] = TIMINGS) -> Verdict:
    """The verdict on a session at `now`."""
    timing = timings[session.kind]
    ends = [end_of(interval, timing, leases, now) for interval in session.intervals]
    spans = [_known(i, end, session, timing, now) for i, end in zip(session.intervals, ends, strict=True)]
    stop = _deliberate_end(session, timing, max(end for _, end in spans))
    if stop is not None:
        return _verdict(session, timing, spans, "completed", *stop)
    last = None if None in ends else _last(session.intervals, ends)
    if last is None or not _is_over(*last, timing, leases, now):
        open_until = now if last is None or timing.counts_gaps else last[1]
        spans = [(start, now if end is None else until) for (start, until), end in zip(spans, ends, strict=True)]
        return _verdict(session, timing, spans, "active", None, None, open_until)
    interval, end = last
    if timing.ends_with_socket and interval.reason in LEFT:
        return _verdict(session, timing, spans, "completed", end, interval.reason)
    return _verdict(session, timing, spans, "timeout", end, "timeout")


def settled(session: Session, verdict: Verdict, leases: Leases, now: float) -> Session:
    """A session that is over, with what the leases say of it written into it: it needs none of them any more."""
    over_at = verdict.end_at
    if over_at is None:
        return session

    def known(interval: Interval) -> Interval:
        if interval.closed_at is not None or interval.node == HTTP_NODE:
            return interval
        end = end_of(interval, TIMINGS[session.kind], leases, now)
        seen_at = over_at if end is None else min(end, over_at)
        return replace(interval, last_seen_at=max(interval.last_seen_at, seen_at))

    return replace(session, intervals=tuple(map(known, session.intervals)))


def end_of(interval: Interval, timing: Timing, leases: Leases, now: float) -> float | None:
    """When the interval ended, None while it has not."""
    if interval.closed_at is not None:
        return interval.closed_at
    if interval.node == HTTP_NODE:
        return interval.last_seen_at if now - interval.last_seen_at > timing.stale_seconds else None
    if leases.is_alive(interval.node, interval.boot, now):
        return None
    return max(interval.last_seen_at, leases.last_at(interval.node, interval.boot))


def _known(interval: Interval, end: float | None, session: Session, timing: Timing, now: float) -> Span:
    """What is known to count of an interval: a beat stands until something else carries the session, if that is soon.

    For HTTP it is in the record alone: a session that is over must not depend on when it is judged.
    """
    if interval.node != HTTP_NODE or interval.closed_at is not None:
        return interval.started_at, now if end is None else end
    seen_at = interval.last_seen_at
    starts = (other.started_at for other in session.intervals)
    next_ones = (start for start in starts if seen_at < start <= seen_at + timing.stale_seconds)
    return interval.started_at, min(next_ones, default=seen_at)


def _deliberate_end(session: Session, timing: Timing, known_until: float) -> tuple[float, Reason] | None:
    """The first end that was meant, or the limit of the kind."""
    closed = ((i.closed_at, i.reason) for i in session.intervals)
    stops = [(at, reason) for at, reason in closed if at is not None and reason is not None and reason in DELIBERATE]
    if timing.max_seconds is not None and known_until >= session.started_at + timing.max_seconds:
        stops.append((session.started_at + timing.max_seconds, "limit"))
    return min(stops, default=None)


def _last(intervals: tuple[Interval, ...], ends: list[float | None]) -> tuple[Interval, float]:
    known = [(interval, end) for interval, end in zip(intervals, ends, strict=True) if end is not None]
    return max(known, key=lambda pair: (pair[1], pair[0].id))


def _is_over(interval: Interval, end: float, timing: Timing, leases: Leases, now: float) -> bool:
    """Whether nobody can come back any more, nor has come back without our knowing it yet."""
    if now - end > timing.silence_seconds:
        return True
    may_resume_until = end + timing.grace_seconds
    left = timing.ends_with_socket and interval.reason in LEFT
    return left and now > may_resume_until and leases.complete_through(now) >= may_resume_until


def _verdict(
    session: Session,
    timing: Timing,
    spans: list[Span],
    status: Status,
    end_at: float | None,
    reason: Reason | Literal["timeout"] | None,
    open_until: float | None = None,
) -> Verdict:
    cut = end_at if end_at is not None else open_until
    assert cut is not None  # noqa: S101 - either it ended or it counts up to a moment
    seen = [(start, min(end, cut)) for start, end in spans if start < cut]
    counted = [(session.started_at, cut)] if timing.counts_gaps else seen
    pieces = statistics.whole(statistics.union(counted, bridge_seconds=timing.grace_seconds))
    return Verdict(status, end_at, reason, tuple(pieces), tuple(statistics.whole(statistics.union(seen))))
