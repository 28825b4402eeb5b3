"""What the sockets say about a lesson: a session of the kind `tutoring`, whose id is the link's."""

from collections.abc import Callable
from typing import NamedTuple

from backend_api.contract.sessions import DELIBERATE, TIMINGS
from backend_api.nodes.leases import Leases
from backend_api.nodes.store import NodeStore
from backend_api.sessions.documents import Record
from backend_api.sessions.lifecycle import Interval, Session, end_of
from backend_api.sessions.statistics import Span
from backend_api.sessions.store import SessionStore
from backend_api.tutoring.lesson import Lesson, observed

Change = Callable[[Lesson], Lesson]


class Evidence(NamedTuple):
    """When the student's page was connected, whether it is now, and when its `end` events came, if any did."""

    stretches: tuple[Span, ...]
    connected: bool
    ends: tuple[float, ...]


def evidence_of(session: Session, leases: Leases, now: float) -> Evidence:
    """What a session's intervals amount to at `now`, by our clock: nodes may have another, and nothing is to come."""

    def ours(interval: Interval, at: float) -> float:
        return min(at - leases.skew_seconds(interval.node, interval.boot), now)

    ends = [end_of(interval, TIMINGS["tutoring"], leases, now) for interval in session.intervals]
    known = zip(session.intervals, ends, strict=True)
    # An open socket is known to live as of its node's last lease, not as of now.
    stretches = ((i, _alive_at(i, leases) if end is None else end) for i, end in known)
    meant = (ours(i, i.closed_at) for i in session.intervals if i.closed_at is not None and i.reason in DELIBERATE)
    return Evidence(tuple((ours(i, i.started_at), ours(i, end)) for i, end in stretches), None in ends, tuple(meant))


def _alive_at(interval: Interval, leases: Leases) -> float:
    return max(interval.last_seen_at, leases.last_at(interval.node, interval.boot))


class Watch:
    """Looks up what the sockets know of a lesson."""

    def __init__(
        self, sessions: SessionStore, nodes: NodeStore, now: Callable[[], float], *, timeout_seconds: float
    ) -> None:
        self._sessions, self._nodes, self._now = sessions, nodes, now
        self._timeout_seconds = timeout_seconds

    async def look(self, lesson_id: str) -> Change:
        """The change that what is known now makes to the lesson."""
        record = await self._sessions.find(lesson_id)
        return unchanged if record is None else await self.by(record)

    async def open(self) -> list[str]:
        """The lessons whose sockets still count as being there, or were not long ago."""
        return [record.session.id for record in await self._sessions.active("tutoring")]

    async def by(self, record: Record) -> Change:
        """The change that this state of the lesson's session makes to it."""
        found = evidence_of(record.session, await self._nodes.leases(), self._now())

        def change(lesson: Lesson) -> Lesson:
            return observed(
                lesson,
                found.stretches,
                connected=found.connected,
                ends=found.ends,
                timeout_seconds=self._timeout_seconds,
            )

        return change


def unchanged(lesson: Lesson) -> Lesson:
    """The change that is none."""
    return lesson
