"""The messages that carry viewer history: parts in, points out. How parts are merged is in `viewers/history.py`."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, StrictBool, StringConstraints, field_validator, model_validator

from backend_api.contract.rooms import Room
from backend_api.contract.wire import Timestamp, Wire, left_out

SLOT_SECONDS = 5
SLOTS_PER_MINUTE = 12
MAX_PARTS = 1_000
"""How many parts one batch may hold."""

_AVERAGE_SLACK = 0.01
"""Averages have two decimals."""

Count = Annotated[int, Field(ge=0, le=100_000_000, strict=True)]
Average = Annotated[float, Field(ge=0, le=100_000_000, allow_inf_nan=False, strict=True)]
Node = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class Slot(NamedTuple):
    """What one node knows of one room in one 5-second slot; counts are connections.

    `low` and `high` are those of the time that the node held the room. `first` is the level before the slot: 0, and
    `heldSeconds` less than the slot's, where the room came to the node in it. Nothing held: the node had nobody.
    """

    number: Annotated[int, Field(ge=0, lt=SLOTS_PER_MINUTE, strict=True)]
    first: Count
    low: Count
    high: Count
    last: Count
    viewer_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
    held_seconds: Annotated[float, Field(ge=0, le=SLOT_SECONDS, allow_inf_nan=False, strict=True)]


def _fault_of(slot: Slot) -> str | None:
    """What contradicts itself in a slot. Both its times were rounded to milliseconds."""
    slack = 0.001 * (slot.high + 1)
    first = slot.first if slot.first or slot.held_seconds == SLOT_SECONDS else slot.last
    if not slot.low <= min(first, slot.last) <= max(first, slot.last) <= slot.high:
        return "first and last must lie between low and high"
    if not slot.low * slot.held_seconds - slack <= slot.viewer_seconds <= slot.high * slot.held_seconds + slack:
        return "viewerSeconds must lie between low and high times heldSeconds"
    return None


class RoomPart(Wire):
    """One node's minute of a room that the path names; `timestamp` is any moment of it, None the current minute.

    (Of a signed request that is the minute in which it was signed.)
    """

    timestamp: Timestamp | None = None
    viewer_count: Count
    avg_viewers: Average
    peak_viewers: Count
    min_viewers: Count | None = None
    sample_count: Annotated[int, Field(ge=0, le=SLOTS_PER_MINUTE, strict=True)] = SLOTS_PER_MINUTE
    node: Node | None = None
    boot: Annotated[int, Field(ge=0, lt=2**53, strict=True)] | None = None
    part: Annotated[int, Field(ge=0, lt=1_000, strict=True)] | None = None
    slots: Annotated[list[Slot], Field(max_length=SLOTS_PER_MINUTE)] | None = None
    roster: Annotated[list[Node], Field(max_length=1_000)] | None = None
    joins: Count | None = None
    leaves: Count | None = None

    @field_validator("slots")
    @classmethod
    def _slots_are_consistent(cls, slots: list[Slot] | None) -> list[Slot] | None:
        seen = [slot.number for slot in slots or ()]
        if len(set(seen)) != len(seen):
            raise ValueError("a slot number occurs twice")
        for slot in slots or ():
            if (fault := _fault_of(slot)) is not None:
                raise ValueError(f"slot {slot.number}: {fault}")
        return slots

    @model_validator(mode="after")
    def _figures_are_possible(self) -> Self:
        if self.min_viewers is not None and self.min_viewers > self.peak_viewers:
            raise ValueError("minViewers must not be above peakViewers")
        if self.avg_viewers > self.peak_viewers:
            raise ValueError("avgViewers must not be above peakViewers")
        if self.viewer_count > self.peak_viewers:
            raise ValueError("viewerCount must not be above peakViewers")
        # With slots the average is theirs, and over a few milliseconds rounding makes it anything.
        if self.slots is None and (self.min_viewers or 0) > self.avg_viewers + _AVERAGE_SLACK:
            raise ValueError("minViewers must not be above avgViewers")
        if self.slots is not None and (self.node is None or self.boot is None):
            raise ValueError("slots need node and boot")
        return self


class Part(RoomPart):
    """One node's minute of one room, as a batch carries it."""

    room: Room


class PartResult(Wire):
    """What became of one part of a batch, in the order they were sent."""

    status: Literal["saved", "duplicate", "disabled", "invalid"]
    errors: list[str] | None = left_out()


class BatchResult(Wire):
    """The answer to a batch of parts."""

    results: list[PartResult]


class Saved(Wire):
    """The answer to a single part; `reason` says why nothing was saved."""

    saved: bool
    reason: Literal["disabled", "duplicate"] | None = left_out()


class Point(Wire):
    """A stretch of viewer history. `timestamp` is its start, `sample_count` its complete slots."""

    timestamp: Timestamp
    viewer_count: int
    avg_viewers: float
    peak_viewers: int
    min_viewers: int
    sample_count: int


class Summary(Wire):
    """The whole range in one line. `duration` is the range in minutes, as asked; snapshots are minutes, not points."""

    total_snapshots: int
    overall_peak: int
    overall_avg: float
    overall_min: int
    duration: int
    viewer_minutes: float


class History(Wire):
    """Viewer history of a room over a range."""

    snapshots: list[Point]
    summary: Summary
    resolution: Literal["1m", "5m", "15m", "1h", "1d"]


class RoomSettings(Wire):
    """The switches of a room."""

    enable_viewer_analytics: StrictBool


class LiveCount(Wire):
    """Who is in a room right now: sockets, people, and people with a visible tab.

    `unique_mode` where people are so many that their number is estimated; `degraded` where only those of the node that
    answers are known.
    """

    room: Room
    viewer_count: int
    unique_viewers: int
    active_viewers: int
    unique_mode: Literal["estimate"] | None = left_out()
    degraded: Literal[True] | None = left_out()
