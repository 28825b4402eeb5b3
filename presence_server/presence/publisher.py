"""Says to Redis what this node's rooms are: each at most ten times a second, always as they are now.

After a failure, and under a new incarnation, rooms are said in full; under a new incarnation at a measured pace. A
room that cannot be said keeps none of the others.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from presence_server.errors import Unreachable
from presence_server.presence.book import Book, Publication
from presence_server.presence.store import Store
from presence_server.presence.wire import Published

PERIOD_SECONDS = 0.1

_ROOMS_AT_ONCE = 200
_IDS_AT_ONCE = 20_000
_REST_SECONDS = 0.01
"""So long is the rest after some of the rooms at most: what took longer was not this process' own work."""

_AGAIN_AT_ONCE = 1_000
"""So many rooms that failed before are tried in a period."""


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
        """Whether the present incarnation has yet to try and say something that an earlier one said."""
        self._worked_seconds = 0.0

    def wake(self) -> None:
        """There is something to say."""
        self._wake.set()

    def begin(self) -> None:
        """A new incarnation begins: everything has to be said again."""
        self._owed = deque(self._book.begin(self._speaker()))
        self.is_behind = True
        self._wake.set()

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            await self._woken()
            started = self._now()
            await self.say()
            await asyncio.sleep(max(0.0, started + PERIOD_SECONDS - self._now()))

    async def say(self) -> None:
        """Say what is due, and what is owed: of that no more at a time than leaves as long for everything else."""
        if not self._speaker():
            return
        self._book.resume(self._now(), _AGAIN_AT_ONCE)
        await self._say_due()
        while self._owed and self._speaker():
            self._worked_seconds = 0.0
            for room in [self._owed.popleft() for _ in range(min(len(self._owed), _ROOMS_AT_ONCE))]:
                if self._book.keeper(room) != self._speaker():
                    self._book.repeat(room)
            await self._say_due()
            await asyncio.sleep(min(self._worked_seconds, _REST_SECONDS))
        if self._speaker():
            self.is_behind = bool(self._owed)

    async def _woken(self) -> None:
        """Wait until something is due, or due again."""
        try:
            async with asyncio.timeout_at(self._book.again_at):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _say_due(self) -> None:
        """Say what is due now; what fails is put aside."""
        rooms = self._book.due
        while rooms > 0 and self._book.due:
            began = self._now()
            taken, publications = self._next()
            self._worked_seconds += self._now() - began
            if not taken:
                return
            if publications:
                await self._send(publications)
            rooms -= taken

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

    async def _send(self, publications: list[Publication]) -> None:
        try:
            answers = await self._store.publish(publications)
        except Unreachable:
            answers = [None] * len(publications)
        began = self._now()
        for publication, published in zip(publications, answers, strict=True):
            if published is None:
                self._book.failed(publication, began)
            else:
                self._book.arrived(publication)
                self._published(publication.room, published)
        self._worked_seconds += self._now() - began

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
