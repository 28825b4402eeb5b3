"""What is asked and kept, and what that costs: the rows of the table. Pure; `model` and `simulation` fill it in."""

from dataclasses import dataclass, fields
from typing import Self

from scripts.scale.costs import UnitCosts
from scripts.scale.plan import BEAT_SECONDS, ESTIMATE_ABOVE, SKETCH_SECONDS, Plan

_SKETCH_BYTES = 12_304
"""A dense HyperLogLog."""


@dataclass(slots=True)
class Load:
    """Over all nodes. Rates are per second."""

    joins: float = 0.0
    changes: float = 0.0
    """What nodes say of their rooms."""
    change_holders: float = 0.0
    """The other holders of the room, summed over the changes that read them: those of rooms whose people it counts."""
    messages: float = 0.0
    """What nodes are told."""
    reads: float = 0.0
    read_holders: float = 0.0
    counted: float = 0.0
    """People that are counted exactly."""
    sketched: float = 0.0
    """People that are added to sketches."""
    updates: float = 0.0
    """Counts that viewers are told."""
    held: float = 0.0
    """Rooms that nodes hold, summed over the nodes."""
    heard: float = 0.0
    """Rooms that nodes hear, summed over the nodes."""
    entries: float = 0.0
    """Other nodes' figures that nodes keep."""
    occupied: float = 0.0
    """Rooms that have anybody."""
    large_sets: float = 0.0
    """People in sets of more than 128."""
    small_sets: float = 0.0
    """People in smaller sets."""

    def plus(self, other: Self) -> "Load":
        return Load(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    unit: str
    value: float


def redis_core(load: Load, costs: UnitCosts) -> float:
    """The share of one core, 1 being all of it."""
    microseconds = (
        load.changes * costs.redis_change_us
        + load.change_holders * costs.redis_holder_us
        + load.messages * costs.redis_message_us
        + load.reads * costs.redis_read_us
        + load.read_holders * costs.redis_read_holder_us
        + load.counted * costs.redis_counted_us
        + load.sketched * costs.redis_sketched_us
    )
    return microseconds / 1e6


def redis_bytes(load: Load, costs: UnitCosts, estimated: int) -> float:
    """Memory; `estimated` rooms have a sketch per node that holds them instead of sets."""
    return (
        load.occupied * costs.redis_room_bytes
        + (load.held - load.occupied) * costs.redis_holder_bytes
        + load.small_sets * costs.redis_person_bytes
        + load.large_sets * costs.redis_large_person_bytes
        + load.heard * costs.redis_subscription_bytes
        + estimated * _SKETCH_BYTES
    )


def rows(plan: Plan, load: Load, storm: Load, costs: UnitCosts) -> list[Row]:
    """The table: what is asked, and what it costs Redis and each node."""
    nodes = plan.nodes
    sharing = (
        load.changes * costs.node_change_us + load.messages * costs.node_message_us + load.reads * costs.node_read_us
    )
    estimated = sum(size > ESTIMATE_ABOVE for size in plan.sizes()) * nodes
    node_bytes = load.heard * costs.node_room_bytes + load.entries * costs.node_entry_bytes
    to_nodes = load.messages * costs.message_bytes + load.reads * costs.read_bytes
    to_nodes += load.read_holders * costs.read_holder_bytes
    return [
        Row("viewers who join, and as many who leave", "/s", load.joins),
        Row("rooms with viewers", "", load.occupied),
        Row("rooms that a node holds", "", load.held / nodes),
        Row("rooms that a node hears", "", load.heard / nodes),
        Row("changes said to Redis", "/s", load.changes),
        Row("messages from Redis to nodes", "/s", load.messages),
        Row("rooms read by nodes, the minute's refreshing included", "/s", load.reads),
        Row("people counted over nodes, exactly", "/s", load.counted),
        Row("people added to sketches", "/s", load.sketched),
        Row("Redis: CPU", "% of a core", 100 * redis_core(load, costs)),
        Row(
            "Redis: CPU while a dead node's viewers come back", "% of a core", 100 * redis_core(load.plus(storm), costs)
        ),
        Row("Redis: memory", "MB", redis_bytes(load, costs, estimated) / 1e6),
        Row("Redis: traffic of changes", "MB/s", load.changes * costs.change_bytes / 1e6),
        Row("Redis: traffic to nodes", "MB/s", to_nodes / 1e6),
        Row("a node: CPU for sharing", "% of a core", 100 * sharing / nodes / 1e6),
        Row("a node: CPU for joins", "% of a core", 100 * load.joins * costs.node_join_us / nodes / 1e6),
        Row("a node: counts told to viewers", "/s", load.updates / nodes),
        Row("a node: CPU for telling them", "% of a core", 100 * load.updates * costs.node_update_us / nodes / 1e6),
        Row("a node: traffic to viewers", "MB/s", load.updates * costs.update_bytes / nodes / 1e6),
        Row("a node: memory for sharing", "MB", node_bytes / nodes / 1e6),
        Row("a node: memory of sockets", "MB", plan.viewers / nodes * costs.node_socket_kib * 1024 / 1e6),
    ]


def standing(plan: Plan) -> Load:
    """What is asked whatever happens: beats that read the membership, proofs that channels are heard."""
    beats = plan.nodes / BEAT_SECONDS
    return Load(changes=beats, messages=beats, reads=beats, read_holders=beats * plan.nodes)


def sketching(plan: Plan) -> float:
    """People added to sketches per second: every holder of a large room makes its own anew."""
    return sum(size for size in plan.sizes() if size > ESTIMATE_ABOVE) / SKETCH_SECONDS
