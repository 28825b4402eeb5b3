"""One minute of one room in twelve 5-second slots (DESIGN 6). Pure: time is an argument, nothing is written here.

A room is held from its first join, the zero before it being no low, to the end of the minute in which it empties. A
quiet room costs nothing until its minute ends: seconds are added up at the next change, or when somebody asks.

The slots before the first join, and those after an orderly end of the node, are said to be empty: for whoever adds
nodes up they are part of a sum, and a node of which nothing is heard may be dead.
"""

from collections.abc import Sequence
from typing import NamedTuple

from backend_api.contract.snapshots import SLOT_SECONDS, SLOTS_PER_MINUTE, Part, Slot
from backend_api.contract.wire import at as moment
from presence_server.history.rosters import Holder, sections

MINUTE_SECONDS = SLOT_SECONDS * SLOTS_PER_MINUTE


class Carried(NamedTuple):
    """What a window has to be continued from: one slot, and what was counted in the minute so far."""

    slot: Slot
    joins: int
    leaves: int


class _Tally:
    """The slot that is being counted."""

    __slots__ = ("came", "first", "held_seconds", "high", "last", "low", "number", "viewer_seconds")

    def __init__(self, number: int, level: int, *, came: bool) -> None:
        self.number = number
        self.came = came
        self.first = 0 if came else level
        self.low = self.high = self.last = level
        self.viewer_seconds = self.held_seconds = 0.0

    def reach(self, level: int) -> None:
        self.low = min(self.low, level)
        self.high = max(self.high, level)
        self.last = level

    def slot(self) -> Slot:
        # A room that came in the slot's first half millisecond is not one that was there before.
        longest_seconds = SLOT_SECONDS - 0.001 if self.came else float(SLOT_SECONDS)
        held_seconds = min(round(self.held_seconds, 3), longest_seconds)
        viewer_seconds = round(self.viewer_seconds, 3)
        return Slot(self.number, self.first, self.low, self.high, self.last, viewer_seconds, held_seconds)


class MinuteWindow:
    """One minute of one room. `minute_at` is its start; times before `held_from` are not counted.

    With `zero_from`, a slot's number, the room comes to this node at `held_from` and had nobody here since that slot.
    """

    __slots__ = (
        "_closed",
        "_counted_to",
        "_ends",
        "_tally",
        "_zero_from",
        "joins",
        "leaves",
        "level",
        "minute_at",
        "room",
    )

    def __init__(self, room: str, minute_at: int, level: int, held_from: float, zero_from: int | None = None) -> None:
        self.room = room
        self.minute_at = minute_at
        self.level = level
        self.joins = 0
        self.leaves = 0
        self._counted_to = held_from
        self._zero_from = zero_from
        self._ends = False
        self._closed: list[Slot] = []
        self._tally: _Tally | None = None

    def note(self, step: int) -> None:
        """Count a join (+1) or a leave (-1)."""
        self.joins += step > 0
        self.leaves += step < 0

    def change(self, level: int, at: float) -> None:
        """The room has `level` connections from `at` on."""
        self.advance(at)
        if at >= self._counted_to:
            self._present(self._number(at)).reach(level)
        self.level = level

    def advance(self, at: float) -> None:
        """Count the seconds up to `at`, at most to the end of the minute, at the present level."""
        until = min(at, self.minute_at + MINUTE_SECONDS)
        while self._counted_to < until:
            number = self._number(self._counted_to)
            end = self.minute_at + (number + 1) * SLOT_SECONDS
            if self._tally is None and end - self._counted_to == SLOT_SECONDS and end <= until:
                self._close_quiet(number)
            else:
                self._count(number, min(until, end))
            self._counted_to = min(until, end)

    def end(self, at: float) -> None:
        """Count the seconds up to `at`, when the node lets go of the room: in the slots after that nobody is here."""
        self.advance(at)
        self._ends = True

    def carried(self, number: int) -> Carried | None:
        """What a slot has come to, as far as it is counted; None where the room was not held."""
        slot = next((slot for slot in self._slots() if slot.number == number), None)
        return None if slot is None else Carried(slot, self.joins, self.leaves)

    def restore(self, carried: Carried) -> None:
        """Take over a slot that was counted in an earlier life, and go on after it."""
        self._closed.append(carried.slot)
        self.level = carried.slot.last
        self.joins, self.leaves = carried.joins, carried.leaves
        self._counted_to = float(self.minute_at + (carried.slot.number + 1) * SLOT_SECONDS)

    def parts(self, node: str, boot: int, before: int = SLOTS_PER_MINUTE, others: Sequence[Holder] = ()) -> list[Part]:
        """The contract's parts of the slots below number `before`; none when none of them was held.

        `others` are the other nodes that are believed to have held the room in this minute: one part, but for nodes
        that are gone, and have to be heard in some slots only.
        """
        held = [slot for slot in self._slots() if slot.number < before]
        if not held:
            return []
        coming = range(held[0].number if self._zero_from is None else self._zero_from, held[0].number)
        gone = range(held[-1].number + 1, SLOTS_PER_MINUTE if self._ends else 0)
        slots = [*map(_nobody, coming), *held, *map(_nobody, gone)]
        if not others:
            return [self._part(node, boot, 0, slots, [node])]
        cut = (
            ([s for s in slots if start <= s.number < end], names)
            for start, end, names in sections(others, self.minute_at)
        )
        said = [(some, [node, *names]) for some, names in cut if some]
        return [self._part(node, boot, number, some, roster) for number, (some, roster) in enumerate(said)]

    def _part(self, node: str, boot: int, number: int, slots: list[Slot], roster: list[str]) -> Part:
        held = [slot for slot in slots if slot.held_seconds] or slots
        # Not validated: a busy node makes tens of thousands of these a minute, and a test holds that they are valid.
        return Part.model_construct(
            room=self.room,
            timestamp=moment(self.minute_at),
            viewer_count=held[-1].last,
            avg_viewers=_average(held),
            peak_viewers=max(slot.high for slot in held),
            min_viewers=min(slot.low for slot in held),
            sample_count=sum(slot.held_seconds > 0 for slot in held),
            node=node,
            boot=boot,
            part=number or None,
            slots=slots,
            roster=roster,
            joins=0 if number else self.joins,
            leaves=0 if number else self.leaves,
        )

    def _slots(self) -> list[Slot]:
        return self._closed if self._tally is None else [*self._closed, self._tally.slot()]

    def _number(self, at: float) -> int:
        return int((at - self.minute_at) // SLOT_SECONDS)

    def _present(self, number: int) -> _Tally:
        if self._tally is None:
            came = self._zero_from is not None and not self._closed
            self._tally = _Tally(number, self.level, came=came)
        return self._tally

    def _count(self, number: int, end: float) -> None:
        tally = self._present(number)
        tally.held_seconds += end - self._counted_to
        tally.viewer_seconds += (end - self._counted_to) * self.level
        if end == self.minute_at + (number + 1) * SLOT_SECONDS:
            self._closed.append(tally.slot())
            self._tally = None

    def _close_quiet(self, number: int) -> None:
        """A slot in which nothing happened; most are."""
        level = self.level
        self._closed.append(Slot(number, level, level, level, level, float(level * SLOT_SECONDS), float(SLOT_SECONDS)))


def minute_of(at: float) -> int:
    """The start of the minute that holds `at`."""
    return int(at // MINUTE_SECONDS) * MINUTE_SECONDS


def slot_of(at: float) -> int:
    """The slot that holds `at`, counted from the epoch."""
    return int(at // SLOT_SECONDS)


def _nobody(number: int) -> Slot:
    return Slot(number, 0, 0, 0, 0, 0.0, 0.0)


def _average(slots: list[Slot]) -> float:
    held_seconds = sum(slot.held_seconds for slot in slots)
    if not held_seconds:
        return float(slots[-1].last)
    average = sum(slot.viewer_seconds for slot in slots) / held_seconds
    return round(min(average, max(slot.high for slot in slots)), 2)
