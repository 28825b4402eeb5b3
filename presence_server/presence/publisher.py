"""Says to Redis what this node's rooms are: each at most ten times a second, always as they are now.

After a failure, and under a new incarnation, rooms are said in full; under a new incarnation at a measured pace.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from presence_server.errors import Unreachable
from presence_server.presence.book import Book, Publication
from presence_server.presence.store import Store
from presence_server.presence.wire import Published

PERIOD_SECONDS = 0.1
AGAIN_SECONDS = 0.5
"""How long after a failure a room is said again."""

_ROOMS_AT_ONCE = 200
_IDS_AT_ONCE = 20_000
_SHARE_SECONDS = 0.05
"""So much of each period goes into saying again what an earlier incarnation said."""


class Publisher:
    """Takes what is due from the book to the store. `speaker` says as whom, `published` hears what Redis answered."""

    def __init__(
        self,
        book: Book,
        store: Store,
        speaker: Callable[[], str],
        is_estimate: Callable[[str], bool],
        published: Callable[[str, Published], None],
    ) -> None:
        self._book = book
        self._store = store
        self._speaker = speaker
        self._is_estimate = is_estimate
        self._published = published
        self._owed: deque[str] = deque()
        self._wake = asyncio.Event()
        self.is_behind = True
        """Whether the present incarnation has yet to try and say what an earlier one said."""

    def wake(self) -> None:
        """There is something to say."""
        self._wake.set()

    def begin(self) -> None:
        """A new incarnation begins: everything has to be said again."""
        self._owed = deque(self._book.said_by_others_than(self._speaker()))
        self.is_behind = True
        self._wake.set()

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            started = self._now()
            await self.say()
            await asyncio.sleep(max(0.0, started + PERIOD_SECONDS - self._now()))

    async def say(self) -> None:
        """Say what is due now, and a share of what is owed."""
        if not self._speaker() or not await self._say_due(self._book.due):
            return
        until = self._now() + _SHARE_SECONDS
        while self._owed and self._now() < until:
            some = min(len(self._owed), _ROOMS_AT_ONCE)
            for _ in range(some):
                self._book.repeat(self._owed.popleft())
            if not await self._say_due(some):
                return
        self.is_behind = bool(self._owed)
        if self._owed or self._book.due:
            self._wake.set()

    async def _say_due(self, rooms: int) -> bool:
        """Say at least so many rooms, if they are due; False where one of them failed: it is said again soon."""
        while rooms > 0 and self._book.due:
            taken, publications = self._next()
            if not taken or not await self._send(publications):
                return False
            rooms -= taken
        return True

    def _next(self) -> tuple[int, list[Publication]]:
        """As many rooms as are said at once: how many were due, and what to say of those that have to be said."""
        member, publications, taken, ids = self._speaker(), list[Publication](), 0, 0
        while member and taken < _ROOMS_AT_ONCE and ids < _IDS_AT_ONCE and (due := self._book.take()):
            taken += 1
            publication = self._book.publication(*due, member, is_estimate=self._is_estimate(due[0]))
            if publication is not None:
                publications.append(publication)
                ids += len(publication.add)
        return taken, publications

    async def _send(self, publications: list[Publication]) -> bool:
        if not publications:
            return True
        try:
            answers = await self._store.publish(publications)
        except Unreachable:
            answers = [None] * len(publications)
        for publication, published in zip(publications, answers, strict=True):
            if published is None:
                self._book.failed(publication)
            else:
                self._book.arrived(publication)
                self._published(publication.room, published)
        if None in answers:
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self.wake)
        return None not in answers

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
