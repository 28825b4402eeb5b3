"""Which socket carries which session, as intervals that are reported to the backend (DESIGN §8). Pure.

Every change gives a report with a higher version. What a report means for a session, only the backend decides.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from backend_api.contract.session_tokens import SessionClaims
from backend_api.contract.sessions import DELIBERATE, LEFT, TIMINGS, IntervalReport, Quality, Reason
from backend_api.contract.wire import at as moment

REMEMBER_SECONDS = 24 * 3600.0
"""How long the end of a session is remembered here, to tell a resumption from a new session."""
REMEMBER_AT_LEAST_SECONDS = 3600.0
REMEMBER_MOST = 100_000
"""With more ends than this, those are forgotten sooner that nobody comes back to any more, the oldest first."""


@dataclass(frozen=True, slots=True)
class Open:
    """The interval of one socket. `details` are the report's fields that say who listens to what, and with what."""

    session: SessionClaims
    interval_id: str
    boot: int
    started_at: float
    version: int
    details: dict[str, str]
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class _End:
    at: float
    reason: Reason


@dataclass(slots=True)
class Intervals:
    """The open intervals of one node, by socket. `boot` changes with the clock's."""

    node: str
    boot: int
    _open: dict[str, Open] = field(default_factory=dict)
    _sockets_of: dict[str, set[str]] = field(default_factory=dict)
    _ends: dict[str, _End] = field(default_factory=dict)
    _unreported: set[str] = field(default_factory=set)

    def may_resume(self, session: SessionClaims, now: float) -> bool:
        """Whether a socket that shows this session's token goes on with it, as far as this node can know."""
        timing = TIMINGS[session.kind]
        if timing.max_seconds is not None and now >= session.started_at + timing.max_seconds:
            return False
        end = self._ends.get(session.session_id)
        if end is not None and end.reason in DELIBERATE:
            return False
        if session.session_id in self._sockets_of or end is None:
            return True
        left = timing.ends_with_socket and end.reason in LEFT
        return not left or now - end.at <= timing.grace_seconds

    def open(
        self, socket: str, session: SessionClaims, interval_id: str, details: dict[str, str], now: float
    ) -> IntervalReport:
        """A socket carries the session from now on."""
        interval = Open(session, interval_id, self.boot, now, _version(0, now), details)
        self._open[socket] = interval
        self._sockets_of.setdefault(session.session_id, set()).add(socket)
        return self._report(interval, now)

    def close(self, socket: str, reason: Reason, at: float, now: float) -> IntervalReport | None:
        """The socket carries it no more, since `at`; None where it carries none."""
        interval = self._open.pop(socket, None)
        if interval is None:
            return None
        session_id, end_at = interval.session.session_id, max(at, interval.started_at)
        sockets = self._sockets_of[session_id]
        sockets.discard(socket)
        if not sockets:
            del self._sockets_of[session_id]
        known = self._ends.get(session_id)
        if known is None or known.reason not in DELIBERATE:
            self._ends.pop(session_id, None)
            self._ends[session_id] = _End(end_at, reason)
        return self._report(self._newer(interval, now), end_at, closed=reason)

    def add_quality(self, socket: str, more: Quality) -> None:
        """Stalls and reconnects to add, and the latest bitrate; the next report of the interval has them."""
        interval = self._open.get(socket)
        if interval is None:
            return
        known = interval.quality or Quality()
        bitrate = known.bitrate if more.bitrate is None else more.bitrate
        stalls, reconnects = known.buffering + more.buffering, known.reconnects + more.reconnects
        quality = Quality(buffering=stalls, reconnects=reconnects, bitrate=bitrate)
        self._open[socket] = replace(interval, quality=quality)
        self._unreported.add(socket)

    def news(self, now: float) -> list[IntervalReport]:
        """The open intervals whose quality changed since the last time: a stall is seen while one listens on."""
        changed, self._unreported = self._unreported & self._open.keys(), set()
        for socket in changed:
            self._open[socket] = self._newer(self._open[socket], now)
        return [self._report(self._open[socket], now) for socket in sorted(changed)]

    def again(self, now: float) -> list[IntervalReport]:
        """Every open interval, for a backend that had taken this node for dead."""
        for socket, interval in self._open.items():
            self._open[socket] = self._newer(interval, now)
        return [self._report(interval, now) for interval in self._open.values()]

    def reboot(self, boot: int, ended_at: float, new_id: Callable[[], str], now: float) -> list[IntervalReport]:
        """The clock stepped: what was open ends by the old clock, and goes on by the new one."""
        self.boot = boot
        reports = []
        for socket, interval in list(self._open.items()):
            end_at = max(ended_at, interval.started_at)
            # The version of the end must be above the start's, whichever way the clock went.
            reports.append(self._report(self._newer(interval, ended_at), end_at, closed="shutdown"))
            fresh = replace(interval, interval_id=new_id(), boot=boot, started_at=now, version=_version(0, now))
            self._open[socket] = replace(fresh, quality=None)
            reports.append(self._report(self._open[socket], now))
        return reports

    def session_of(self, socket: str) -> SessionClaims | None:
        interval = self._open.get(socket)
        return interval.session if interval is not None else None

    def sockets(self, session_id: str) -> frozenset[str]:
        """The sockets that carry a session."""
        return frozenset(self._sockets_of.get(session_id, ()))

    def over_limit(self, now: float) -> list[str]:
        """The sockets whose session is as long as its kind allows."""
        limits = ((socket, i.session, TIMINGS[i.session.kind].max_seconds) for socket, i in self._open.items())
        return [socket for socket, session, limit in limits if limit is not None and now >= session.started_at + limit]

    def forget(self, now: float) -> None:
        """Drop what no client can come back to."""
        spare = len(self._ends) - REMEMBER_MOST
        for session_id, end in list(self._ends.items()):
            kept_seconds = REMEMBER_AT_LEAST_SECONDS if spare > 0 else REMEMBER_SECONDS
            if now - end.at <= kept_seconds:
                return  # They are in the order of their ends, give or take seconds.
            del self._ends[session_id]
            spare -= 1

    def __len__(self) -> int:
        return len(self._open)

    def _newer(self, interval: Open, now: float) -> Open:
        return replace(interval, version=_version(interval.version, now))

    def _report(self, interval: Open, at: float, closed: Reason | None = None) -> IntervalReport:
        return IntervalReport.model_validate(
            {
                **interval.details,
                "kind": interval.session.kind,
                "session_id": interval.session.session_id,
                "interval_id": interval.interval_id,
                "node": self.node,
                "boot": interval.boot,
                "version": interval.version,
                "started_at": moment(interval.started_at),
                "last_seen_at": moment(max(at, interval.started_at)),
                "closed_at": None if closed is None else moment(at),
                "reason": closed,
                "quality": interval.quality,
            }
        )


def killed(left_open: Iterable[IntervalReport], last_at: float, now: float) -> list[IntervalReport]:
    """What a dead boot left open, closed when it was last known to live. Versions from `now` are above all of its."""
    return [
        report.model_copy(
            update={
                "version": _version(report.version, now),
                "last_seen_at": moment(max(last_at, report.started_at.timestamp())),
                "closed_at": moment(max(last_at, report.started_at.timestamp())),
                "reason": "killed",
            }
        )
        for report in left_open
    ]


def _version(last: int, now: float) -> int:
    """Milliseconds, so that a later boot of the node need not know what the last one counted up to."""
    return max(last + 1, int(now * 1000))
