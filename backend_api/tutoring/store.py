"""Keeps lessons: one document each, changed by pure functions under a revision. Decides nothing about them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import NamedTuple

from pymongo.errors import DuplicateKeyError

from backend_api.contract.wire import at
from backend_api.db import Document, Index, Mongo
from backend_api.service.errors import NotFound, Unavailable
from backend_api.sessions.windows import backwards
from backend_api.tutoring.columns import Held, held, lessons_in
from backend_api.tutoring.days import LessonDays
from backend_api.tutoring.lesson import Lesson, Status

LESSONS, TOTALS = "tutoring_sessions", "tutoring_totals"
INDEXES = (
    Index(LESSONS, ("at", "_id")),
    Index(LESSONS, ("teacherId", "at", "_id")),
    Index(LESSONS, ("studentId", "at", "_id")),
    Index(LESSONS, ("sessionStatus", "at", "_id")),
    Index(LESSONS, ("delivery.nextAt",)),
)

FACTS = (
    "teacherId", "teacherName", "studentId", "studentName", "sessionStatus", "sessionEndedAt", "endReason",
    "durationSeconds", "corrections.seconds", "terms",
)  # fmt: skip

MAX_ATTEMPTS = 20
PAGE = 500
LONGEST_SECONDS = 90 * 86_400
"""No link can be opened for longer, and no lesson lasts so long."""
MOST_AT_ONCE = 50
"""So many lessons may begin in one and the same millisecond without a page missing one."""

Change = Callable[[Lesson], Lesson]


class Filter(NamedTuple):
    """Which lessons: began (or were sent) in `[start_at, end_at)`, and what else is asked."""

    start_at: float
    end_at: float
    teacher_id: str | None = None
    student_id: str | None = None
    status: Status | None = None

    def query(self) -> Document:
        query: Document = {"at": {"$gte": at(self.start_at), "$lt": at(self.end_at)}}
        wanted = {"teacherId": self.teacher_id, "studentId": self.student_id, "sessionStatus": self.status}
        return query | {name: value for name, value in wanted.items() if value is not None}

    def of(self, lessons: list[Held]) -> list[Held]:
        """Those of the time that is asked about that are also otherwise what is asked for."""
        if self.teacher_id is not None:
            lessons = [lesson for lesson in lessons if lesson.teacher[0] == self.teacher_id]
        if self.student_id is not None:
            lessons = [lesson for lesson in lessons if lesson.student[0] == self.student_id]
        if self.status is not None:
            lessons = [lesson for lesson in lessons if lesson.status == self.status]
        return lessons


class LessonStore:
    """The collection `tutoring_sessions`; beside it, in `tutoring_totals`, how many there are."""

    def __init__(self, mongo: Mongo, now: Callable[[], float]) -> None:
        self._lessons, self._totals = mongo[LESSONS], mongo[TOTALS]
        self._days = LessonDays(mongo, now)

    async def add(self, lesson: Lesson) -> None:
        """Also one of a day long over."""
        await self._days.mark(lesson.began_or_sent_at)
        await self._lessons.insert_one(_document(lesson))
        await self._totals.update_one({"_id": LESSONS}, {"$inc": {"lessons": 1}})

    async def get(self, lesson_id: str) -> Lesson:
        """NotFound where there is none."""
        found = await self._lessons.find_one({"_id": lesson_id})
        if found is None:
            raise NotFound("There is no such session.")
        return Lesson.model_validate(found)

    async def exists(self, lesson_id: str) -> bool:
        return await self._lessons.find_one({"_id": lesson_id}, {"_id": 1}) is not None

    async def change(self, lesson_id: str, decide: Change) -> Lesson:
        """Applies a pure change to the newest state, however many others change it too; what it raises, passes."""
        for _ in range(MAX_ATTEMPTS):
            before = await self.get(lesson_id)
            after = decide(before)
            if after == before:
                return before
            after = after.with_(rev=before.rev + 1)
            await self._days.mark(before.began_or_sent_at, after.began_or_sent_at)
            guarded = {"_id": lesson_id, "rev": before.rev}
            if (await self._lessons.replace_one(guarded, _document(after))).matched_count:
                return after
        raise Unavailable("The session is changed by too many at once.")

    async def find(self, wanted: Filter, *, limit: int, skip_after: tuple[float, str] | None = None) -> list[Lesson]:
        """Newest first; `skip_after` is (time, id) of the last one of the page before."""
        # A millisecond beyond the last one: it may have begun in the same moment as others.
        end_at = wanted.end_at if skip_after is None else min(wanted.end_at, skip_after[0] + 0.001)
        page: list[Lesson] = []
        for low, high in backwards(wanted.start_at, end_at):
            query = wanted._replace(start_at=low, end_at=high).query()
            found = self._lessons.find(query).sort([("at", -1), ("_id", -1)]).limit(limit - len(page) + MOST_AT_ONCE)
            async for document in found:
                lesson = Lesson.model_validate(document)
                if skip_after is None or (lesson.began_or_sent_at, lesson.id) < skip_after:
                    page.append(lesson)
                if len(page) >= limit:
                    return page
        return page

    async def of_day(self, teacher_id: str | None, today_at: float, now: float) -> list[Lesson]:
        """Newest first: today's, then those from before that are on or can still be opened."""
        today = Filter(today_at, now + 1, teacher_id)
        found = await self.find(today, limit=PAGE)
        for status in ("active", "pending"):
            before = today._replace(start_at=now - LONGEST_SECONDS, end_at=today_at, status=status)
            found += [lesson for lesson in await self.find(before, limit=PAGE) if not lesson.is_expired(now)]
        return found

    async def in_order(self, wanted: Filter) -> AsyncIterator[Lesson]:
        """All of them, newest first, read page by page."""
        after: tuple[float, str] | None = None
        while page := await self.find(wanted, limit=PAGE, skip_after=after):
            for lesson in page:
                yield lesson
            after = (page[-1].began_or_sent_at, page[-1].id)

    async def held(self, wanted: Filter) -> AsyncIterator[list[Held]]:
        """The few facts that statistics and statements need, of all of them in no order, some at a time."""
        plan = await self._days.plan(wanted.start_at, wanted.end_at)
        for day in plan.packed:
            yield wanted.of(lessons_in(day))
            await asyncio.sleep(0)  # A year of them takes a while: others get a turn.
        for start_at, end_at in plan.rest:
            yield await self.read_held(wanted._replace(start_at=start_at, end_at=end_at))

    async def read_held(self, wanted: Filter) -> list[Held]:
        """The same from the lessons themselves."""
        return [held(document) async for document in self.facts(wanted)]

    async def facts(self, wanted: Filter) -> AsyncIterator[Document]:
        """What the lessons themselves say, in the fields of FACTS."""
        async for document in self._lessons.find(wanted.query(), dict.fromkeys(FACTS, 1)):
            yield document

    async def pack(self) -> None:
        """The job: packs the days that are over."""
        await self._days.pack(lambda start_at, end_at: self.read_held(Filter(start_at, end_at)))

    async def first_at(self, before: float) -> float:
        """When the oldest lesson began (or was sent); `before` where there is none from before that."""
        older = self._lessons.find({"at": {"$lt": at(before)}}, {"at": 1}).sort([("at", 1), ("_id", 1)])
        found = await older.limit(1).to_list(1)
        return float(found[0]["at"].timestamp()) if found else before

    async def active(self) -> list[Lesson]:
        found = await self._lessons.find({"sessionStatus": "active"}).to_list(None)
        return [Lesson.model_validate(document) for document in found]

    async def timed_out(self, lesson_ids: list[str]) -> list[Lesson]:
        """Those of them that were silent for too long."""
        found = await self._lessons.find({"_id": {"$in": lesson_ids}, "sessionStatus": "timeout"}).to_list(None)
        return [Lesson.model_validate(document) for document in found]

    async def due_deliveries(self, now: float, limit: int) -> list[Lesson]:
        """Links whose message is to be tried now."""
        due = self._lessons.find({"delivery.nextAt": {"$lte": at(now)}}).limit(limit)
        return [Lesson.model_validate(document) async for document in due]

    async def totals(self, silent_since: float) -> tuple[int, int, int]:
        """How many lessons there are (about), how many are active, how many of these were silent since then."""
        found = self._lessons.find({"sessionStatus": "active"}, {"lastActivityAt": 1})
        heard = [document["lastActivityAt"] async for document in found]
        stale = sum(last is not None and last < at(silent_since) for last in heard)
        return await self._total(), len(heard), stale

    async def _total(self) -> int:
        """How many lessons were ever added; counting them costs the collection, so that is done once."""
        found = await self._totals.find_one({"_id": LESSONS})
        if found is None:
            found = {"_id": LESSONS, "lessons": await self._lessons.estimated_document_count()}
            with suppress(DuplicateKeyError):
                await self._totals.insert_one(found)
        return int(found["lessons"])


def _document(lesson: Lesson) -> Document:
    return lesson.model_dump(by_alias=True)
