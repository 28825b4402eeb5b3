"""What one thing costs, once: of Redis' core, of a node's, in memory, on the wire. Pure.

`measure` finds these figures on the machine at hand; the defaults are such figures, with their date.
"""

from dataclasses import dataclass, fields
from typing import Any

MEASURED_ON = "2026-11-21, one core of a small shared machine, Redis 7"


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """CPU in microseconds (`..._us`), memory in bytes or KiB, traffic in bytes."""

    redis_change_us: float = 16.5
    """One node's change of a room that it alone holds: script, hash, channel."""
    redis_holder_us: float = 1.45
    """More, for every other node that holds the room, where its people are counted at once."""
    redis_counted_us: float = 0.31
    """For each person of a room whose people are counted exactly over several nodes."""
    redis_sketched_us: float = 0.14
    """For each person that is added to a sketch."""
    redis_message_us: float = 0.6
    """One message to one node."""
    redis_read_us: float = 5.0
    """A node reads a room, and says that what it said there lives on."""
    redis_read_holder_us: float = 0.1
    """More, for every other node that holds it."""
    node_change_us: float = 18.5
    """A node says a change."""
    node_message_us: float = 9.5
    """A node hears a message."""
    node_read_us: float = 23.0
    """A node reads a room."""
    node_update_us: float = 8.0
    """A viewer is told a count (scripts/bench, 5,000 in one room)."""
    node_join_us: float = 107.0
    """A viewer connects and joins (scripts/bench)."""
    redis_room_bytes: float = 580.0
    """A room that one node holds, with one person."""
    redis_holder_bytes: float = 341.0
    """More, for every other node that holds it, with one person."""
    redis_person_bytes: float = 63.0
    """For each further person of a node's set, in a set of up to 128."""
    redis_large_person_bytes: float = 57.0
    """For each person in a larger set."""
    redis_subscription_bytes: float = 238.0
    """A node hears a room."""
    node_room_bytes: float = 2_350.0
    """A room that a node hears, with one other node's figures."""
    node_entry_bytes: float = 520.0
    """One more node's figures of a room."""
    node_socket_kib: float = 4.0
    """A joined socket (scripts/bench, resident memory)."""
    change_bytes: float = 301.0
    """From a node to Redis and back, for one change."""
    message_bytes: float = 113.0
    """From Redis to a node, for one message."""
    read_bytes: float = 376.0
    """A room that one node holds is read."""
    read_holder_bytes: float = 45.0
    """More, for every other node that holds it."""
    update_bytes: float = 230.0
    """A count on its way to a viewer, frame and all."""

    def with_measured(self, measured: dict[str, float]) -> "UnitCosts":
        """These costs, but for those that were measured anew."""
        known: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return UnitCosts(**(known | measured))
