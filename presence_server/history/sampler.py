"""The windows of all rooms of one node and boot. Pure: time is an argument; `recorder` keeps what comes out of here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from backend_api.contract.snapshots import SLOT_SECONDS, SLOTS_PER_MINUTE, Part
from presence_server.history.rosters import Holder
from presence_server.history.windows import MINUTE_SECONDS, Carried, MinuteWindow, minute_of, slot_of

Roster = Callable[[str, int], Sequence[Holder]]
"""Given a room and the start of a minute: the other nodes that are believed to have held the room in it."""


class Sampler:
    """Tells each room's window what happens, and turns the minutes.

    When a minute turns, its windows become past ones; `take_closed` carries them over a slice at a time, and a room
    that changes meanwhile is carried over on the spot.
    """

    def __init__(self, node: str, boot: int, held_from: float, levels: Mapping[str, int] | None = None) -> None:
        self.node = node
        self.boot = boot
        self.held_from = held_from
        self._minute_at = minute_of(held_from)
        self._next_slot = slot_of(held_from)
        self._closed: list[MinuteWindow] = []
        self._past: dict[str, MinuteWindow] = {}
        self._touched: dict[int, set[MinuteWindow]] = {}
        self._open = {
            room: MinuteWindow(room, self._minute_at, level, held_from) for room, level in (levels or {}).items()
        }

    def change(self, room: str, level: int, step: int, at: float) -> None:
        """A connection joined (+1) or left (-1) at `at`, since when the room has `level`."""
        self.turn(at)
        if room in self._past:
            self._carry_over(room)
        window = self._open.get(room)
        if window is None:
            window = self._open[room] = self._came(room, level, at)
        window.note(step)
        window.change(level, at)
        self._touched.setdefault(max(slot_of(at), self._next_slot), set()).add(window)

    def turn(self, at: float) -> None:
        """Begin the minute of `at`, if it is another one."""
        while at >= self._minute_at + MINUTE_SECONDS:
            self._carry_all_over()
            self._past, self._open = self._open, {}
            self._minute_at += MINUTE_SECONDS

    def closed_slots(self, at: float) -> list[tuple[int, list[MinuteWindow]]]:
        """Every slot that ended since the last call, and the windows that changed in it; others kept their level."""
        slots = range(self._next_slot, slot_of(at))
        self._next_slot = max(self._next_slot, slot_of(at))
        return [(slot, list(self._touched.pop(slot, ()))) for slot in slots]

    def take_closed(self, limit: int) -> list[MinuteWindow]:
        """Up to `limit` windows of minutes that are over; after an empty answer there are none."""
        for room in list(islice(self._past, max(0, limit - len(self._closed)))):
            self._carry_over(room)
        taken, self._closed = self._closed[:limit], self._closed[limit:]
        return taken

    def end(self, at: float, roster: Roster) -> list[Part]:
        """Partial parts of everything, up to `at`. The sampler is spent, and nobody is here any more."""
        self.turn(at)
        for window in self._open.values():
            window.end(at)
        return self._end(at, slot_of(at) + 1, roster)

    def abandon(self, roster: Roster) -> list[Part]:
        """As `end`, but only the slots that `closed_slots` has given out: nothing after them can be trusted."""
        return self._end(self._next_slot * SLOT_SECONDS, self._next_slot, roster)

    @property
    def holds(self) -> bool:
        """Whether there is any room to tell of."""
        return bool(self._open or self._past or self._closed)

    def here_from(self, minute_at: int) -> int:
        """The number of the first slot of a minute in which this boot counted."""
        return max(slot_of(self.held_from) - slot_of(minute_at), 0)

    def levels(self) -> dict[str, int]:
        """The connections of every room that has any."""
        windows = {**self._past, **self._open}
        return {room: window.level for room, window in windows.items() if window.level}

    def _came(self, room: str, level: int, at: float) -> MinuteWindow:
        """The window of a room that comes to this node; what this boot did not cover says nothing of before."""
        if at < self.held_from:
            return MinuteWindow(room, self._minute_at, level, self.held_from)
        return MinuteWindow(room, self._minute_at, level, at, self.here_from(self._minute_at))

    def _end(self, at: float, before_slot: int, roster: Roster) -> list[Part]:
        self.turn(at)
        self._carry_all_over()
        parts: list[Part] = []
        windows = [*self._closed, *self._open.values()]
        self._closed, self._open = [], {}
        for window in windows:
            window.advance(at)
            before = max(0, min(before_slot - slot_of(window.minute_at), SLOTS_PER_MINUTE))
            parts += window.parts(self.node, self.boot, before, roster(window.room, window.minute_at))
        return parts

    def _carry_all_over(self) -> None:
        for room in list(self._past):
            self._carry_over(room)

    def _carry_over(self, room: str) -> None:
        window = self._past.pop(room)
        end = window.minute_at + MINUTE_SECONDS
        window.advance(end)
        self._closed.append(window)
        if window.level:
            self._open[room] = MinuteWindow(room, end, window.level, end)


def carried(slot: int, windows: Iterable[MinuteWindow]) -> dict[str, Carried]:
    """What each of these rooms has come to in a slot that is over."""
    rooms = {}
    for window in windows:
        window.advance((slot + 1) * SLOT_SECONDS)
        state = window.carried(slot % SLOTS_PER_MINUTE)
        if state is not None:
            rooms[window.room] = state
    return rooms
