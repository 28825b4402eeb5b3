"""How many people are in the rooms that are too large for it to be counted at each change.

Counted by one node for all, the first of a room's holders by name: exactly, as long as it goes (`unite`), above that by
sketches that every holder makes anew from its own people, so that the estimate can fall as well.
"""

import asyncio
from collections.abc import Callable

from presence_server.errors import Unreachable
from presence_server.presence.book import Book
from presence_server.presence.state import SharedState
from presence_server.presence.store import Store
from presence_server.presence.wire import hashed

UNITE_SECONDS = 0.25
"""A room's people are counted exactly at most so often."""

SKETCH_SECONDS = 10.0

_SECONDS_PER_PERSON = 20e-6
"""How long to leave Redis alone after it counted so many people: it shall not do only that."""

_IDS_AT_ONCE = 2_000


class Uniques:
    """Counts for others where this node is the one to do it."""

    def __init__(self, node: str, book: Book, state: SharedState, store: Store, speaker: Callable[[], str]) -> None:
        self._node = node
        self._book = book
        self._state = state
        self._store = store
        self._speaker = speaker
        self._due: dict[str, None] = {}
        self._sketched_at: dict[str, float] = {}

    def look(self, room: str) -> None:
        """The room has changed, or may have: its people may have to be counted."""
        others = self._state.others(room)
        if self._state.is_estimate(room):
            if self._book.people_said(room):
                self._sketched_at.setdefault(room, float("-inf"))
        elif others.nodes and self._state.is_uncounted(room) and self.is_ours(room):
            self._due[room] = None

    async def run(self) -> None:
        """Count for ever."""
        while True:
            await asyncio.sleep(UNITE_SECONDS)
            try:
                await self._unite()
                await self._sketch()
            except Unreachable:
                self._due.clear()  # Everything will be said anew, and looked at.

    async def _unite(self) -> None:
        due, self._due = list(self._due), {}
        for room in due:
            if self._speaker() and self.is_ours(room):
                await self._store.unite(room)
                people = self._book.people_said(room) + self._state.others(room).people
                await asyncio.sleep(people * _SECONDS_PER_PERSON)

    async def _sketch(self) -> None:
        now = asyncio.get_running_loop().time()
        for room in [room for room, at in self._sketched_at.items() if now - at >= SKETCH_SECONDS]:
            member = self._speaker()
            if not self._state.is_estimate(room) or not self._book.people_said(room):
                del self._sketched_at[room]
            elif member:
                # Right after the change to estimates the others' sketches are not there yet.
                counts = self._sketched_at[room] > 0 and self.is_ours(room)
                self._sketched_at[room] = now
                await self._store.sketch(room, member, await self._ids(room), counts=counts)

    async def _ids(self, room: str) -> list[bytes]:
        """Everybody in the room, made while others work, too."""
        ids: list[bytes] = []
        for number, person in enumerate(list(self._book.people(room))):
            ids.append(hashed(person))
            if number % _IDS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return ids

    def is_ours(self, room: str) -> bool:
        """Whether this node is the one to do for all what one has to do."""
        return bool(self._book.people_said(room)) and min((self._node, *self._state.others(room).nodes)) == self._node
