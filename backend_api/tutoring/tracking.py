"""The student's side of a lesson: start, beat, end, opened by the link's token; and the sweep."""

from collections.abc import Callable

import structlog

from backend_api.sessions.documents import Record
from backend_api.tutoring.evidence import Change, Watch, unchanged
from backend_api.tutoring.lesson import Claimed, Lesson, alive, ended, is_silent, started, swept
from backend_api.tutoring.months import Months
from backend_api.tutoring.settings import LinkMaker
from backend_api.tutoring.store import LessonStore

log = structlog.get_logger(__name__)


class Tracking:
    """What happens to a lesson after its link was sent."""

    def __init__(
        self,
        store: LessonStore,
        months: Months,
        watch: Watch,
        maker: LinkMaker,
        now: Callable[[], float],
        *,
        timeout_seconds: float,
    ) -> None:
        self._store, self._months, self._watch, self._maker, self._now = store, months, watch, maker, now
        self.timeout_seconds = timeout_seconds

    async def start(self, token: str, *, address: str) -> Lesson:
        """The lesson is on from the first call; the others change nothing. Conflict once it is over."""
        lesson_id, now, timeout = self._lesson_id(token), self._now(), self.timeout_seconds
        look = await self._look_if_silent(lesson_id, now)
        return await self._store.change(
            lesson_id, lambda lesson: started(look(lesson), now, address=address, timeout_seconds=timeout)
        )

    async def beat(self, token: str) -> Lesson:
        lesson_id, now, timeout = self._lesson_id(token), self._now(), self.timeout_seconds
        look = await self._look_if_silent(lesson_id, now)
        return await self._store.change(lesson_id, lambda lesson: alive(look(lesson), now, timeout_seconds=timeout))

    async def end(self, token: str, claimed: Claimed) -> Lesson:
        """Over now, by our clock, or when a socket was told so before."""
        lesson_id, now, timeout = self._lesson_id(token), self._now(), self.timeout_seconds
        look = await self._watch.look(lesson_id)
        return await self._change(lesson_id, lambda lesson: ended(look(lesson), now, claimed, timeout_seconds=timeout))

    async def look(self, lesson_id: str) -> Lesson:
        """Brings the lesson up to what the sockets know, and ends it if it has been silent for too long."""
        return await self._settle(lesson_id, await self._watch.look(lesson_id))

    async def sockets_told(self, record: Record) -> None:
        """For `SessionStore.on_ended`: an `end` event, or the last of the sockets' reports."""
        if await self._store.exists(record.session.id):
            await self._settle(record.session.id, await self._watch.by(record))

    async def sweep(self) -> int:
        """Looks at every lesson that is active, or timed out while a socket of it is open; how many timed out."""
        over = 0
        for lesson in await self._store.active():
            over += (await self.look(lesson.id)).status == "timeout"
        for lesson in await self._store.timed_out(await self._watch.open()):
            await self.look(lesson.id)
        if over:
            log.info("lessons_timed_out", count=over)
        return over

    async def _settle(self, lesson_id: str, look: Change) -> Lesson:
        now = self._now()
        return await self._change(
            lesson_id, lambda lesson: swept(look(lesson), now, timeout_seconds=self.timeout_seconds)
        )

    async def _change(self, lesson_id: str, change: Change) -> Lesson:
        """What comes even later than the closing of the lesson's month changes no bill."""
        lesson = await self._store.get(lesson_id)
        if lesson.status in ("ended", "timeout") and await self._months.is_closed(lesson):
            return lesson
        return await self._store.change(lesson_id, change)

    async def _look_if_silent(self, lesson_id: str, now: float) -> Change:
        """What the sockets know, where the lesson would be over without them: perhaps nobody could tell us."""
        is_over = is_silent(await self._store.get(lesson_id), now, timeout_seconds=self.timeout_seconds)
        return await self._watch.look(lesson_id) if is_over else unchanged

    def _lesson_id(self, token: str) -> str:
        return self._maker.read(token).link_id
