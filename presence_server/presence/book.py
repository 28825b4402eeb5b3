"""What this node has to say about its own rooms: what was said, under which incarnation, what is to be said. Pure.

Only the present state is ever said. What went wrong is not repeated; the room is said anew, and in full. A room whose
saying failed is put aside for a while: the others do not wait for it.
"""

from collections import deque
from collections.abc import Callable, Collection
from typing import NamedTuple

from presence_server.presence.aside import Aside
from presence_server.presence.wire import Figures, hashed
from presence_server.rooms import Counts

ESTIMATE_ABOVE = 10_000
EXACT_BELOW = 8_000


class Publication(NamedTuple):
    """A room as it is here, for Redis. `add` is everybody where `in_full`; `version` orders what one process says."""

    room: str
    member: str
    version: int
    connections: int
    active: int
    people: int
    add: tuple[bytes, ...]
    remove: tuple[bytes, ...]
    in_full: bool


class _Said:
    """What was last said about a room and is known to have arrived."""

    __slots__ = ("member", "people", "version")

    def __init__(self) -> None:
        self.member = ""
        self.people = 0
        self.version = 0


class Book:
    """The rooms of this node that Redis knows or has to know. `people` gives the viewer ids of a room."""

    def __init__(self, counts: Callable[[str], Counts], people: Callable[[str], Collection[str]]) -> None:
        self._counts = counts
        self.people = people
        self._said: dict[str, _Said] = {}
        self._due: dict[str, dict[str, bool]] = {}
        self._turns: deque[str] = deque()
        self._aside = Aside()
        self._version = 0
        self.failing: dict[str, float] = {}
        """Since when the saying of a room has failed; without those that have arrived since."""

    def changed(self, room: str, person: str | None, *, came: bool) -> bool:
        """The room is another one now, and `person` came or went if one did; True where it had not been due yet."""
        due = self._due.get(room)
        is_new = due is None
        if due is None:
            due = self._due[room] = {}
            self._turns.append(room)
        if person is not None:
            due[person] = came
        return is_new

    def repeat(self, room: str, *, in_full: bool = False) -> None:
        """Say the room again although nothing changed."""
        if room not in self._due:
            self._due[room] = {}
            self._turns.append(room)
        if in_full and room in self._said:
            self._said[room].member = ""

    def take(self) -> tuple[str, dict[str, bool]] | None:
        """The room that has been due for longest, with the people who came or went; None where none is."""
        while self._turns:
            room = self._turns.popleft()
            if room in self._due and room not in self._aside:
                return room, self._due.pop(room)
        return None

    def resume(self, now: float, most: int) -> None:
        """It is the turn, again, of at most so many rooms that failed some time ago."""
        self._turns.extend(self._aside.ripe(now, most))

    def begin(self, member: str) -> list[str]:
        """Whatever failed so far may succeed now; the rooms that `member` has to say again, or for the first time."""
        self._turns.extend(self._aside.clear())
        return [room for room, said in self._said.items() if said.member != member]

    def publication(self, room: str, moved: dict[str, bool], member: str, *, is_estimate: bool) -> Publication | None:
        """What to say about a room now, as `member`; None where there is nothing to say and never was."""
        counts, said = self._counts(room), self._said.get(room)
        if said is None:
            if not counts.viewer_count:
                return None
            said = self._said[room] = _Said()
        self._version += 1
        in_full = said.member != member
        without_ids = is_estimate or counts.unique_viewers > ESTIMATE_ABOVE
        add, remove = ((), ()) if without_ids else self._ids(room, moved, in_full=in_full)
        return Publication(
            room,
            member,
            self._version,
            counts.viewer_count,
            counts.active_viewers,
            counts.unique_viewers,
            add,
            remove,
            in_full,
        )

    def arrived(self, publication: Publication) -> None:
        """Redis has it."""
        said = self._said.get(publication.room)
        if said is not None:
            said.member, said.people, said.version = publication.member, publication.people, publication.version
            self.failing.pop(publication.room, None)
            if not publication.connections and publication.room not in self._due:
                del self._said[publication.room]

    def failed(self, publication: Publication, now: float) -> None:
        """Nobody knows whether Redis has it."""
        room = publication.room
        self._said[room].member = ""
        self._due.setdefault(room, {})
        self._aside.put(room, now, self.failing.setdefault(room, now))

    def keeper(self, room: str) -> str:
        """As whom the room was last said; empty where it was not, or where that failed."""
        said = self._said.get(room)
        return "" if said is None else said.member

    def check(self, room: str, found: Figures | None) -> bool:
        """Given what Redis holds of it here: whether the room is as it was said. Where it is not, it is due in full."""
        said = self._said.get(room)
        if said is None or room in self._due or (found is not None and found.version >= said.version):
            return True
        self.repeat(room, in_full=True)
        return False

    def people_said(self, room: str) -> int:
        """How many people Redis knows of here."""
        said = self._said.get(room)
        return 0 if said is None else said.people

    @property
    def due(self) -> int:
        """How many rooms are to be said now."""
        return len(self._turns)

    @property
    def again_at(self) -> float | None:
        """When a room that failed is to be said again; None where none is."""
        return self._aside.next_at

    def __contains__(self, room: str) -> bool:
        return room in self._said or room in self._due

    def __len__(self) -> int:
        return len(self._said)

    def _ids(self, room: str, moved: dict[str, bool], *, in_full: bool) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        if in_full:
            return tuple(map(hashed, self.people(room))), ()
        came = tuple(hashed(person) for person, is_here in moved.items() if is_here)
        return came, tuple(hashed(person) for person, is_here in moved.items() if not is_here)
