"""What members that are gone left in rooms is removed: nobody counts it, but its people are in the way of the others'.

Nothing is removed on suspicion: who spoke without being a member is a stranger until the membership was read once more.
"""

import asyncio
from collections.abc import Callable, Iterable

from presence_server.errors import Unreachable
from presence_server.presence.members import Members
from presence_server.presence.state import SharedState
from presence_server.presence.store import Store

_AT_ONCE = 200


class Cleaning:
    """Removes what was left. `is_ours` says whether this node is the one to do it for all."""

    def __init__(self, members: Members, state: SharedState, store: Store, is_ours: Callable[[str], bool]) -> None:
        self._members = members
        self._state = state
        self._store = store
        self._is_ours = is_ours
        self._suspects: dict[str, set[str]] = {}
        self._older_suspects: dict[str, set[str]] = {}
        self._due: dict[str, set[str]] = {}
        self._wake = asyncio.Event()

    def suspect(self, room: str, strangers: set[str]) -> None:
        """These spoke of the room and are no members, as far as is known."""
        self._suspects.setdefault(room, set()).update(strangers)

    def read(self) -> None:
        """The membership was read: who was a suspect before the read began, and is not in it, was removed for good."""
        suspects, self._older_suspects, self._suspects = self._older_suspects, self._suspects, {}
        for room, strangers in suspects.items():
            dead = {member for member in strangers if member not in self._members}
            if dead:
                self._due.setdefault(room, set()).update(dead)
                self._wake.set()

    def left(self, member: str, rooms: Iterable[str]) -> None:
        """The member is gone; these are the rooms of which it spoke."""
        for room in filter(self._is_ours, rooms):
            self._due.setdefault(room, set()).add(member)
            self._wake.set()

    async def run(self) -> None:
        """Clean for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                some = {room: self._due.pop(room) for room in list(self._due)[:_AT_ONCE]}
                for room, members in some.items():
                    for member in members:
                        self._state.drop(room, member)
                try:
                    await self._store.purge(some)
                except Unreachable:
                    self._due.clear()  # Rooms are read again every minute, and what is in them expires.
