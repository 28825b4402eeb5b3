"""How the parts of a minute become that minute, and minutes longer stretches (DESIGN §6). Knows no storage.

All figures are integers, times and durations milliseconds, so that joining is exact in every order and grouping.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from itertools import groupby
from typing import NamedTuple, Self

from backend_api.contract.snapshots import SLOT_SECONDS, RoomPart

MINUTE_SECONDS = 60
QUARTER_SECONDS = 900
HOUR_SECONDS = 3_600

NO_NODE = ""
"""The node of a part that names none; it counts only where no node has spoken for the minute."""

_SLOT_MS = SLOT_SECONDS * 1_000
_CLOCK_MS = 50
"""How far two lives of a node may seem to overlap in a slot because their clocks were rounded and slewed."""


class SlotFigures(NamedTuple):
    """One slot of one part: connections, and what they add up to. `held_ms`: how long the node held the room.

    Nothing held: the node knows that it had nobody.
    """

    first: int
    low: int
    high: int
    last: int
    viewer_ms: int
    held_ms: int


class NodePart(NamedTuple):
    """A part as it is merged. `boot` and `number` order what one node said.

    `roster` names who is believed to hold the room in these slots; None says nothing of others.
    """

    node: str
    boot: int
    number: int
    slots: Mapping[int, SlotFigures]
    roster: frozenset[str] | None = None


class Stretch(NamedTuple):
    """What is known of a room from `at` (Unix seconds) on, for one minute or several joined ones.

    `minutes` have at least one complete slot, `samples` are their complete slots; the other figures are those slots'
    alone, except `received_ms`: the viewer time of every slot that arrived. The true peak of the stretch lies in
    `peak..peak_bound`, the true minimum in `low_bound..low`.
    """

    at: int
    minutes: int
    viewer_count: int
    low: int
    peak: int
    samples: int
    viewer_ms: int
    held_ms: int
    low_bound: int
    peak_bound: int
    received_ms: int

    @property
    def average(self) -> float:
        return round(self.viewer_ms / self.held_ms, 2) if self.held_ms else 0.0

    def then(self, later: Self) -> Self:
        """Joins a `later` stretch to this one."""
        received_ms = self.received_ms + later.received_ms
        if not later.minutes or not self.minutes:
            known = self if self.minutes else later
            return known._replace(at=self.at, received_ms=received_ms)
        return type(self)(
            self.at,
            self.minutes + later.minutes,
            later.viewer_count,
            min(self.low, later.low),
            max(self.peak, later.peak),
            self.samples + later.samples,
            self.viewer_ms + later.viewer_ms,
            self.held_ms + later.held_ms,
            min(self.low_bound, later.low_bound),
            max(self.peak_bound, later.peak_bound),
            received_ms,
        )


def node_part(part: RoomPart) -> NodePart:
    """A part of the wire as it is merged; one without slots stands for `sampleCount` equal ones."""
    roster = None if part.roster is None else frozenset(part.roster)
    return NodePart(part.node or NO_NODE, part.boot or 0, part.part or 0, _slots_of(part), roster)


def _slots_of(part: RoomPart) -> dict[int, SlotFigures]:
    if part.slots is None:
        return dict.fromkeys(range(part.sample_count), _synthetic_slot(part))
    return {
        slot.number: SlotFigures(
            slot.first, slot.low, slot.high, slot.last, _ms(slot.viewer_seconds), _ms(slot.held_seconds)
        )
        for slot in part.slots
    }


def _synthetic_slot(part: RoomPart) -> SlotFigures:
    low = int(part.avg_viewers) if part.min_viewers is None else part.min_viewers
    viewer_ms = _ms(part.avg_viewers * SLOT_SECONDS)
    return SlotFigures(part.viewer_count, low, part.peak_viewers, part.viewer_count, viewer_ms, _SLOT_MS)


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)


def merge_minute(at: int, parts: Iterable[NodePart]) -> Stretch:
    """The minute that starts at `at`, from all its parts in any order; no complete slot: `minutes` is 0."""
    return _joined_slots(at, [*merge_slots(at, parts).values()])


def merge_slots(at: int, parts: Iterable[NodePart]) -> dict[int, Stretch]:
    """Every slot of that minute that anything is known of, in order; one that is not complete has no samples."""
    heard: dict[str, _Heard] = defaultdict(_Heard)
    for part in sorted(parts, key=lambda part: (part.boot, part.number)):
        heard[part.node].add(part)
    if len(heard) > 1:
        heard.pop(NO_NODE, None)
    numbers = sorted({number for node in heard.values() for number in node.slots})
    return {number: _over_nodes(at, number, heard) for number in numbers}


class _Heard:
    """What one node said of a minute, in all its lives."""

    def __init__(self) -> None:
        self.slots: dict[int, SlotFigures] = {}
        self.rosters: dict[int, frozenset[str]] = {}

    def add(self, part: NodePart) -> None:
        """Parts have to come in the order in which the node said them."""
        _add_life(self.slots, part.slots)
        for number in part.slots:
            self.rosters[number] = self.rosters.get(number, frozenset()) | (part.roster or frozenset())

    def misses(self, number: int, name: str) -> bool:
        """Whether the node, that counts itself among the holders, knows what was before and after but not this."""
        inside = min(self.slots, default=number) < number < max(self.slots, default=number)
        return inside and number not in self.slots and any(name in roster for roster in self.rosters.values())


def _add_life(known: dict[int, SlotFigures], later: Mapping[int, SlotFigures]) -> None:
    """Adds what a later boot of the same node says: disjoint times are joined, overlapping ones replaced."""
    for number, slot in later.items():
        before = known.get(number)
        if before is None or not before.held_ms or before.held_ms + slot.held_ms > _SLOT_MS + _CLOCK_MS:
            known[number] = slot
        elif slot.held_ms:
            known[number] = SlotFigures(
                before.first,
                min(before.low, slot.low),
                max(before.high, slot.high),
                slot.last,
                before.viewer_ms + slot.viewer_ms,
                before.held_ms + slot.held_ms,
            )


def _over_nodes(at: int, number: int, heard: Mapping[str, _Heard]) -> Stretch:
    """One slot over all nodes, as a stretch of one sample; incomplete while an expected node has no data for it."""
    slots = [node.slots[number] for node in heard.values() if number in node.slots]
    viewer_ms, held_ms = sum(slot.viewer_ms for slot in slots), _held_ms(slots)
    if not held_ms or not _is_complete(number, heard):
        return Stretch(at, 0, 0, 0, 0, 0, 0, 0, 0, 0, viewer_ms)
    first, last = sum(slot.first for slot in slots), sum(slot.last for slot in slots)
    from_start = any(slot.held_ms and not _came(slot) for slot in slots)
    # While others held the room, the zero before it came to this node, or after it went, is one of the sum.
    low_of = [0 if slot.held_ms < held_ms or (from_start and _came(slot)) else slot.low for slot in slots]
    lows, highs = sum(low_of), sum(slot.high for slot in slots)
    # Moving one node from its low to its high, the others staying: the widest any single node may swing the sum.
    swing = max(slot.high - low for slot, low in zip(slots, low_of, strict=True))
    low, peak = highs - swing, lows + swing
    if len(slots) > 1:
        low, peak = min(last, low), max(first, last, peak)
        low = min(first, low) if from_start else low
    return Stretch(at, 1, last, low, peak, 1, viewer_ms, held_ms, lows, highs, viewer_ms)


def _is_complete(number: int, heard: Mapping[str, _Heard]) -> bool:
    expected = frozenset().union(*(node.rosters.get(number, ()) for node in heard.values()))
    if not all(name in heard and number in heard[name].slots for name in expected):
        return False
    return not any(node.misses(number, name) for name, node in heard.items())


def _held_ms(slots: Sequence[SlotFigures]) -> int:
    """How long any node held the room: some to the slot's end from where it came to them, others from its start."""
    to_end = max((slot.held_ms for slot in slots if _came(slot)), default=0)
    from_start = max((slot.held_ms for slot in slots if not _came(slot)), default=0)
    return min(from_start + to_end, _SLOT_MS)


def _came(slot: SlotFigures) -> bool:
    """Whether the room came to the node in this slot; otherwise one that was held shorter lost its node in it."""
    return slot.first == 0 < slot.high and slot.held_ms < _SLOT_MS


def _joined_slots(at: int, slots: Sequence[Stretch]) -> Stretch:
    """Slots of one minute in order; together they are one minute, however many are complete."""
    joined = join(slots) or Stretch(at, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return joined._replace(minutes=min(joined.minutes, 1))


def join(stretches: Iterable[Stretch]) -> Stretch | None:
    """Stretches in order of time as one; None of nothing."""
    found = list(stretches)
    return reduce(Stretch.then, found) if found else None


def bucketed(stretches: Iterable[Stretch], start_of: Callable[[int], int]) -> list[Stretch]:
    """Stretches in order of time joined by the bucket that `start_of` puts them into; `at` is the bucket's start."""
    groups = groupby(stretches, key=lambda stretch: start_of(stretch.at))
    return [reduce(Stretch.then, group)._replace(at=start) for start, group in groups]
