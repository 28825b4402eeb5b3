"""What the other nodes have in the rooms that this one hears. Pure: time is an argument, nothing is asked for here.

Every figure is absolute and has an order: of one incarnation the highest version counts, of one node the highest
incarnation that is a member. So messages may be lost, repeated and late: what a read of the room says afterwards is
right, and nothing that comes late undoes it.
"""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from presence_server.history.rosters import Holder
from presence_server.presence.members import Members
from presence_server.presence.wire import Change, Figures, Published, Snapshot, inc_of, node_of

EDGE_SECONDS = 2.0
"""A room that changes hands so close to a minute's edge is in nobody's roster for it: clocks are not that good."""

_REMEMBERED_SECONDS = 180.0


class Others(NamedTuple):
    """A room on all other nodes; `unique` is the number of people on all nodes, this one included.

    `unique` is None while nobody has counted.
    """

    connections: int = 0
    active: int = 0
    people: int = 0
    nodes: tuple[str, ...] = ()
    unique: int | None = None
    is_estimate: bool = False


NOBODY = Others()


class _Entry(NamedTuple):
    """What a member said last. That it has nobody any more is kept too: what comes late must not bring them back."""

    figures: Figures
    stamp: int
    since: float


class _Span(NamedTuple):
    member: str
    since: float
    until: float


class _Room:
    __slots__ = ("edition", "entries", "is_estimate", "others", "spans", "uncounted", "unique", "unique_stamp")

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        self.spans: tuple[_Span, ...] = ()
        self.unique: int | None = None
        self.unique_stamp = 0
        self.uncounted = True
        self.is_estimate = False
        self.others = NOBODY
        self.edition = -1


class SharedState:
    """The rooms of the other nodes. `members` says who counts."""

    def __init__(self, node: str, members: Members) -> None:
        self._node = node
        self._members = members
        self._rooms: dict[str, _Room] = {}
        self._rooms_of: dict[str, set[str]] = {}

    def open(self, room: str) -> None:
        """From now on the room is heard."""
        self._rooms.setdefault(room, _Room())

    def close(self, room: str) -> None:
        """The room is not heard any more."""
        state = self._rooms.pop(room, None)
        for member in () if state is None else state.entries:
            self._unlist(room, member)

    def count(self, room: str, counted: Published) -> None:
        """Take in what Redis answered to this node's own change."""
        state = self._rooms.get(room)
        if state is not None:
            self._count_unique(state, *counted)
            state.edition = -1

    def hear(self, room: str, change: Change, now: float) -> bool:
        """Take in a message; whether it changed what the room is."""
        state = self._rooms.get(room)
        if state is None:
            return False
        before = self._others(state)
        if change.member and node_of(change.member) != self._node:
            self._enter(room, state, change.member, Figures(*change[1:5]), change.stamp, now)
        self._count_unique(state, change.stamp, change.unique, change.is_estimate)
        state.edition = -1
        return self._others(state) != before

    def read(self, room: str, snapshot: Snapshot, now: float) -> bool:
        """Take in the room as it was read: also who is in it no more; whether it changed what the room is."""
        state = self._rooms.get(room)
        if state is None:
            return False
        before = self._others(state)
        for member, entry in list(state.entries.items()):
            # What a later message said is not in the snapshot yet.
            if member not in snapshot.members and entry.stamp <= snapshot.stamp:
                self._drop(room, state, member, now)
        for member, figures in snapshot.members.items():
            if node_of(member) != self._node:
                self._enter(room, state, member, figures, snapshot.stamp, now)
        self._count_unique(state, snapshot.stamp, snapshot.unique, snapshot.is_estimate)
        state.edition = -1
        return self._others(state) != before

    def doubt(self, room: str) -> None:
        """Changes may have been missed, and their order may begin anew: the next read is believed in all."""
        state = self._rooms.get(room)
        if state is not None:
            state.entries = {member: entry._replace(stamp=0) for member, entry in state.entries.items()}
            state.unique_stamp = 0

    def forget(self, member: str, left_at: float) -> set[str]:
        """The member is gone since `left_at`: drop what it said. The rooms where it said something."""
        rooms = set(self._rooms_of.get(member, ()))
        for room in rooms:
            state = self._rooms[room]
            self._drop(room, state, member, left_at)
            state.edition = -1
        return rooms

    def drop(self, room: str, member: str) -> None:
        """Nothing that this stranger said of the room has to be kept."""
        state = self._rooms.get(room)
        if state is not None and state.entries.pop(member, None) is not None:
            self._unlist(room, member)

    def strangers(self, room: str) -> set[str]:
        """Who said something about the room without being a member."""
        state = self._rooms.get(room)
        return set() if state is None else {member for member in state.entries if member not in self._members}

    def rooms_of(self, members: Iterable[str]) -> set[str]:
        """The rooms about which these members said something."""
        return {room for member in members for room in self._rooms_of.get(member, ())}

    def others(self, room: str) -> Others:
        """The room on all other nodes, as far as they are members."""
        state = self._rooms.get(room)
        return NOBODY if state is None else self._others(state)

    def is_estimate(self, room: str) -> bool:
        state = self._rooms.get(room)
        return state is not None and state.is_estimate

    def is_uncounted(self, room: str) -> bool:
        """Whether the number of people on all nodes has to be counted anew."""
        state = self._rooms.get(room)
        return state is not None and state.uncounted

    def roster(self, room: str, start: float, end: float) -> list[Holder]:
        """The other nodes that held the room between two moments, a little off the edges."""
        state = self._rooms.get(room)
        if state is None:
            return []
        entries = [
            _Span(member, entry.since, inf) for member, entry in state.entries.items() if member in self._members
        ]
        held: dict[str, Holder] = {}
        for member, since, until in (*entries, *state.spans):
            if since < end - EDGE_SECONDS and until > start + EDGE_SECONDS:
                node, is_here = node_of(member), member in self._members
                span = Holder(node) if is_here else Holder(node, since, until)
                known = held.get(node, span)
                held[node] = Holder(node, min(known.since, span.since), max(known.until, span.until))
        return [held[node] for node in sorted(held)]

    def __len__(self) -> int:
        return len(self._rooms)

    def _others(self, state: _Room) -> Others:
        if state.edition != self._members.edition:
            state.edition = self._members.edition
            state.others = self._added_up(state)
        return state.others

    def _added_up(self, state: _Room) -> Others:
        counted: dict[str, tuple[int, Figures]] = {}
        for member, entry in state.entries.items():
            if member in self._members:
                node, one = node_of(member), (inc_of(member), entry.figures)
                counted[node] = max(counted.get(node, one), one)
        held = {node: figures for node, (_, figures) in counted.items() if figures.connections}
        if not held:
            return NOBODY
        return Others(
            sum(one.connections for one in held.values()),
            sum(one.active for one in held.values()),
            max(one.people for one in held.values()),
            tuple(sorted(held)),
            state.unique,
            state.is_estimate,
        )

    def _enter(self, room: str, state: _Room, member: str, figures: Figures, stamp: int, now: float) -> None:
        known = state.entries.get(member)
        if known is not None and known.figures.version >= figures.version:
            return
        since = now if known is None else min(known.since, now)
        if not figures.connections:
            self._end(state, member, since, now)
            since = inf
        state.entries[member] = _Entry(figures, stamp, since)
        self._rooms_of.setdefault(member, set()).add(room)

    def _count_unique(self, state: _Room, stamp: int, unique: int | None, is_estimate: bool) -> None:
        if stamp >= state.unique_stamp:
            state.unique_stamp, state.is_estimate = stamp, is_estimate
            state.uncounted = unique is None
            if unique is not None:
                state.unique = unique

    def _drop(self, room: str, state: _Room, member: str, until: float) -> None:
        since = state.entries.pop(member).since
        if since < inf:
            # Seen to live for the last time before it said this, it lived at least until then.
            self._end(state, member, since, max(since, until))
        self._unlist(room, member)

    def _end(self, state: _Room, member: str, since: float, until: float) -> None:
        if since <= until:
            spans = [span for span in state.spans if span.until > until - _REMEMBERED_SECONDS]
            state.spans = (*spans, _Span(member, since, until))

    def _unlist(self, room: str, member: str) -> None:
        rooms = self._rooms_of.get(member)
        if rooms is not None:
            rooms.discard(room)
            if not rooms:
                del self._rooms_of[member]
