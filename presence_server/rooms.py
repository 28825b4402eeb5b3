"""Who is in which room: connections, people, people with a visible tab. Pure state; nobody is told anything here.

A connection is in a room through one or more namespaces and counts once. A connection is one person: the viewer id of
the first namespace it connects. Watchers, of the default namespace only, hear a room without
being counted.

Counts carry `seq` from one counter of the process, so that a room that vanished and came back never falls behind what
its clients have already seen in the same epoch.
"""

from collections.abc import Collection, Iterator, Set
from typing import NamedTuple

from presence_server.errors import DeadConnection

DEFAULT_NAMESPACE = "/"


class Counts(NamedTuple):
    """How many are in a room; `viewer_count` counts connections, the others count people."""

    room: str
    viewer_count: int
    unique_viewers: int
    active_viewers: int
    seq: int


class CountChange(NamedTuple):
    """A change somebody may want to hear of. `step` is what it did to the connections: +1, -1 or 0.

    `person` is the viewer id that came with the first of their connections, or went with the last one.
    """

    counts: Counts
    step: int
    person: str | None = None


class _Room:
    __slots__ = ("active", "hidden", "members", "people", "seq", "watchers")

    def __init__(self, seq: int) -> None:
        self.members: set[str] = set()
        self.watchers: set[str] = set()
        self.people: dict[str, int] = {}  # viewer id -> connections
        self.hidden: dict[str, int] = {}  # viewer id -> connections whose tab is hidden; mostly empty
        self.active = 0
        self.seq = seq

    def shift(self, viewer_id: str, connections: int, hidden: int) -> bool:
        """Add to a person's connections and hidden connections; True when the person's activity changed."""
        before, hidden_before = self.people.get(viewer_id, 0), self.hidden.get(viewer_id, 0)
        after, hidden_after = before + connections, hidden_before + hidden
        _keep(self.people, viewer_id, after)
        if hidden:
            _keep(self.hidden, viewer_id, hidden_after)
        change = (after > hidden_after) - (before > hidden_before)
        self.active += change
        return change != 0


class _Connection:
    __slots__ = ("is_hidden", "namespaces", "rooms", "viewer_id", "watched")

    def __init__(self, viewer_id: str) -> None:
        self.viewer_id = viewer_id
        self.is_hidden = False
        self.namespaces: tuple[str, ...] = ()
        self.rooms: dict[str, tuple[str, ...]] = {}  # room -> the namespaces it is joined through
        self.watched: tuple[str, ...] = ()


class RoomCounter:
    """The members of every room on this node. A call costs at most the rooms of the connection it is about."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Room] = {}
        self._connections: dict[str, _Connection] = {}
        self._seq = 0

    def connect(self, connection: str, viewer_id: str, through: str = DEFAULT_NAMESPACE) -> None:
        """Make a connection known; a second namespace of it adds to the first."""
        state = self._connections.get(connection)
        if state is None:
            state = self._connections[connection] = _Connection(viewer_id)
        if through not in state.namespaces:
            state.namespaces += (through,)

    def disconnect(self, connection: str, through: str = DEFAULT_NAMESPACE) -> list[CountChange]:
        """Leave what was joined through this namespace; with its last one the connection is dead."""
        state = self._connections.get(connection)
        if state is None or through not in state.namespaces:
            return []
        changes = [self.leave(connection, room, through) for room in list(state.rooms)]
        if through == DEFAULT_NAMESPACE:
            for room in state.watched:
                self.unwatch(connection, room)
        state.namespaces = tuple(name for name in state.namespaces if name != through)
        if not state.namespaces:
            del self._connections[connection]
        return [change for change in changes if change is not None]

    def join(self, connection: str, room: str, through: str = DEFAULT_NAMESPACE) -> CountChange | None:
        """Count the connection in; None when it already was. Raises DeadConnection."""
        state = self._alive(connection, through)
        joined_through = state.rooms.get(room, ())
        if through not in joined_through:
            state.rooms[room] = (*joined_through, through)
        if joined_through:
            return None
        place = self._room(room)
        place.members.add(connection)
        person = None if state.viewer_id in place.people else state.viewer_id
        place.shift(state.viewer_id, 1, int(state.is_hidden))
        return self._changed(room, place, 1, person)

    def leave(self, connection: str, room: str, through: str = DEFAULT_NAMESPACE) -> CountChange | None:
        """Count the connection out unless another namespace still holds it; None when nothing changed."""
        state = self._alive(connection, through)
        joined_through = state.rooms.get(room, ())
        if through not in joined_through:
            return None
        if len(joined_through) > 1:
            state.rooms[room] = tuple(name for name in joined_through if name != through)
            return None
        del state.rooms[room]
        place = self._rooms[room]
        place.members.discard(connection)
        place.shift(state.viewer_id, -1, -int(state.is_hidden))
        person = None if state.viewer_id in place.people else state.viewer_id
        change = self._changed(room, place, -1, person)
        self._forget_if_empty(room, place)
        return change

    def set_active(self, connection: str, active: bool) -> list[CountChange]:
        """Note whether the tab is visible; the rooms where that changed a person's activity. Raises DeadConnection."""
        state = self._alive(connection, DEFAULT_NAMESPACE)
        if state.is_hidden is not active:
            return []
        state.is_hidden = not active
        hidden = -1 if active else 1
        places = [(room, self._rooms[room]) for room in state.rooms]
        return [self._changed(room, place, 0) for room, place in places if place.shift(state.viewer_id, 0, hidden)]

    def watch(self, connection: str, room: str) -> None:
        """Let the connection hear the room without counting it. Raises DeadConnection."""
        state = self._alive(connection, DEFAULT_NAMESPACE)
        if room not in state.watched:
            state.watched += (room,)
            self._room(room).watchers.add(connection)

    def unwatch(self, connection: str, room: str) -> None:
        state = self._connections.get(connection)
        if state is None or room not in state.watched:
            return
        state.watched = tuple(name for name in state.watched if name != room)
        place = self._rooms[room]
        place.watchers.discard(connection)
        self._forget_if_empty(room, place)

    def counts(self, room: str) -> Counts:
        """The room as it is; an unknown room is empty and as new as the newest change of any room."""
        place = self._rooms.get(room)
        return _counts(room, place) if place is not None else Counts(room, 0, 0, 0, self._seq)

    def people(self, room: str) -> Collection[str]:
        """The viewer ids in the room. Not a copy."""
        place = self._rooms.get(room)
        return () if place is None else place.people.keys()

    def touch(self, room: str) -> None:
        """Something else than its members here makes the room newer: what is said of it next supersedes the last."""
        place = self._rooms.get(room)
        if place is not None:
            self._seq += 1
            place.seq = self._seq

    def audience(self, room: str) -> Set[str]:
        """Every connection that hears the room, once. Not a copy: do not change rooms while going over it."""
        place = self._rooms.get(room)
        if place is None:
            return frozenset()
        return place.members | place.watchers if place.watchers else place.members

    def rooms_of(self, connection: str) -> int:
        """How many rooms the connection has joined or watches."""
        state = self._connections.get(connection)
        return 0 if state is None else len(state.rooms.keys() | state.watched)

    def holds(self, connection: str, room: str) -> bool:
        """Whether the connection has joined or watches the room."""
        state = self._connections.get(connection)
        return state is not None and (room in state.rooms or room in state.watched)

    def occupied(self) -> Iterator[Counts]:
        """Every room that has viewers, in no order."""
        return (_counts(room, place) for room, place in self._rooms.items() if place.members)

    def __contains__(self, room: str) -> bool:
        """Whether anybody here has joined or watches the room."""
        return room in self._rooms

    @property
    def connections(self) -> int:
        return len(self._connections)

    def __len__(self) -> int:
        """How many rooms are kept, those that are only watched included."""
        return len(self._rooms)

    def _alive(self, connection: str, through: str) -> _Connection:
        state = self._connections.get(connection)
        if state is None or through not in state.namespaces:
            raise DeadConnection(connection)
        return state

    def _room(self, room: str) -> _Room:
        place = self._rooms.get(room)
        if place is None:
            place = self._rooms[room] = _Room(self._seq)
        return place

    def _changed(self, room: str, place: _Room, step: int, person: str | None = None) -> CountChange:
        self._seq += 1
        place.seq = self._seq
        return CountChange(_counts(room, place), step, person)

    def _forget_if_empty(self, room: str, place: _Room) -> None:
        if not place.members and not place.watchers:
            del self._rooms[room]


def _counts(room: str, place: _Room) -> Counts:
    return Counts(room, len(place.members), len(place.people), place.active, place.seq)


def _keep(numbers: dict[str, int], key: str, number: int) -> None:
    """Zeros are not kept."""
    if number:
        numbers[key] = number
    else:
        del numbers[key]
