"""The messages that carry sessions: intervals and leases in; and the timings that both programs keep to (CONTRACT §2).

What the backend makes of intervals is in `sessions/lifecycle.py`.
"""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, StringConstraints, model_validator

from backend_api.contract.rooms import RoomId
from backend_api.contract.snapshots import Node
from backend_api.contract.wire import Timestamp, Wire

SessionKind = Literal["listening", "tutoring", "study"]
Reason = Literal["stop", "button", "pageClose", "limit", "disconnect", "lost", "shutdown", "killed"]
"""Why an interval closed. The first four are meant to end the session; `disconnect` is a clean close of the socket,
`lost` one that was noticed, `shutdown` and `killed` are the server's doing: the client will be back."""

DELIBERATE: frozenset[Reason] = frozenset({"stop", "button", "pageClose", "limit"})
"""These end a session at once and for good."""
LEFT: frozenset[Reason] = frozenset({"disconnect", "lost"})
"""The client went; after the grace that is the end, where the kind says so."""

MAX_INTERVALS = 1_000
"""How many intervals one batch may hold."""
MAX_BATCH_BYTES = 2 * 1024 * 1024
"""How large its body may be."""
LEASE_SECONDS = 5
"""How often a node sends its lease."""
LEASE_SILENCE_SECONDS = 60
"""After so long without a lease a node is taken for dead, by the backend's clock."""


class Timing(NamedTuple):
    """How a kind of session ends. Away socket and HTTP beat are the two ways to keep one alive."""

    grace_seconds: float
    """A gap between intervals that is no longer is bridged; after a socket is gone one may resume for so long."""
    stale_seconds: float
    """HTTP: how long a beat stands for presence."""
    silence_seconds: float
    """Without a sign of life for so long the session timed out, at the last one."""
    ends_with_socket: bool
    """Whether the end of the last socket is, after the grace, the end of the session."""
    counts_gaps: bool
    """Whether the duration runs from start to end, absences included."""
    max_seconds: float | None


TIMINGS: dict[SessionKind, Timing] = {
    "listening": Timing(15, 150, 150, ends_with_socket=True, counts_gaps=False, max_seconds=12 * 3600),
    "tutoring": Timing(15, 150, 2 * 3600, ends_with_socket=False, counts_gaps=True, max_seconds=None),
    "study": Timing(60, 150, 150, ends_with_socket=True, counts_gaps=False, max_seconds=24 * 3600),
}

PersonId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ListenerId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Tally = Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)]


class Quality(Wire):
    """How playing went in one interval: stalls and reconnects so far, the latest bitrate in bits per second."""

    buffering: Tally = 0
    reconnects: Tally = 0
    bitrate: Tally | None = None


class IntervalReport(Wire):
    """One stretch of a socket that carries a session, as far as it is known; a higher `version` knows more."""

    kind: SessionKind
    session_id: RoomId
    interval_id: RoomId
    node: Node
    boot: Annotated[int, Field(ge=0, lt=2**53, strict=True)]
    version: Annotated[int, Field(ge=0, lt=2**53, strict=True)]
    started_at: Timestamp
    last_seen_at: Timestamp
    closed_at: Timestamp | None = None
    reason: Reason | None = None
    user_id: PersonId | None = None
    listener_id: ListenerId | None = None
    channel_id: RoomId | None = None
    stream_id: RoomId | None = None
    show_id: RoomId | None = None
    call_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    link_id: RoomId | None = None
    user_agent: Annotated[str, StringConstraints(max_length=512)] | None = None
    address: Annotated[str, StringConstraints(max_length=64)] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$")] | None = None
    quality: Quality | None = None

    @model_validator(mode="after")
    def _times_are_in_order(self) -> Self:
        if self.last_seen_at < self.started_at:
            raise ValueError("lastSeenAt must not be before startedAt")
        if self.closed_at is not None and self.closed_at < self.started_at:
            raise ValueError("closedAt must not be before startedAt")
        if (self.closed_at is None) is not (self.reason is None):
            raise ValueError("closedAt and reason come together")
        return self


class IntervalResult(Wire):
    """What became of one interval of a batch, in the order they were sent."""

    status: Literal["saved", "invalid"]
    errors: list[str] | None = None


class IntervalResults(Wire):
    """The answer to a batch of intervals."""

    results: list[IntervalResult]


class LeaseReport(Wire):
    """A node's sign of life for all its sockets; everything before `complete_through` has been delivered."""

    node: Node
    boot: Annotated[int, Field(ge=0, lt=2**53, strict=True)]
    at: Timestamp
    complete_through: Timestamp


class LeaseAnswer(Wire):
    """`report_open`: this boot had been taken for dead (or was never heard of) and must report its open intervals."""

    report_open: bool
