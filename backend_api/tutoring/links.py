"""Makes links: for whom, under which terms, to which meeting; sends them, again if asked, and takes them back."""

import hashlib
from secrets import token_hex
from typing import NamedTuple

from pymongo.errors import DuplicateKeyError

from backend_api.service.errors import Conflict, FieldError, Forbidden, NotFound, Unprocessable
from backend_api.tutoring import deliveries
from backend_api.tutoring.deliveries import Deliveries
from backend_api.tutoring.lesson import Lesson, SoldTerms, cancelled
from backend_api.tutoring.messages import NewLink, Package, Student
from backend_api.tutoring.pace import LinkPace
from backend_api.tutoring.people import People, unknown_package
from backend_api.tutoring.settings import LinkMaker, Rules, check_meeting
from backend_api.tutoring.store import LessonStore


class Sender(NamedTuple):
    """Who makes a link. `teacher_id`: the teacher who asks, None for a service. `repeat_key`: same key, same link.

    A key is its sender's own: the same one of somebody else is another key.
    """

    teacher_id: str | None
    address: str
    repeat_key: str | None = None


class Links:
    """The teacher's side of lessons."""

    def __init__(
        self,
        store: LessonStore,
        people: People,
        outbound: Deliveries,
        maker: LinkMaker,
        rules: Rules,
        pace: LinkPace,
    ) -> None:
        self._store, self._people, self._outbound, self.maker = store, people, outbound, maker
        self._rules, self._pace = rules, pace

    async def create(self, student_id: str, new: NewLink, sender: Sender, now: float) -> Lesson:
        """A link, sent if the student's chat is known. Forbidden for another teacher's student.

        Conflict where the repeat key has made another link already; TooManyRequests for a teacher in a hurry.
        """
        student = await self._people.student(student_id)
        teacher_id = _teacher(new, sender, student)
        if sender.teacher_id is not None and (student is None or teacher_id not in student.teacher_ids):
            raise Forbidden("This is not a student of yours.")
        names = new.names
        chat_id = new.chat_id or (student.chat_id if student else None)
        lesson = Lesson(
            id=_lesson_id(sender),
            teacher_id=teacher_id,
            teacher_name=(names and names.teacher) or await self._people.teacher_name(teacher_id) or teacher_id,
            student_id=student_id,
            student_name=(names and names.student) or (student.name if student else student_id),
            link=check_meeting(new.link, self._rules.meeting_hosts),
            chat_id=chat_id,
            sent_at=now,
            expires_at=int(now) + self._rules.link_seconds,
            created_from=sender.address,
            began_or_sent_at=now,
            terms=await self._terms(new, student),
            delivery=deliveries.first(chat_id, now),
        )
        self._pace.check(sender.teacher_id, student_id, now)
        try:
            await self._store.add(lesson)
        except DuplicateKeyError:  # the request was repeated: it made this link already
            return _same(await self._store.get(lesson.id), lesson)
        return await self._outbound.attempt(lesson, now)

    async def resend(self, lesson_id: str, teacher_id: str | None, now: float) -> Lesson:
        """The same link once more, to the student's chat of today. Conflict unless it can still be opened.

        Forbidden for a teacher whose student this is no longer; of somebody who is not registered nobody can say so.
        """
        lesson = await self._own(lesson_id, teacher_id)
        student = await self._people.student(lesson.student_id)
        if teacher_id is not None and student is not None and teacher_id not in student.teacher_ids:
            raise Forbidden("This is not a student of yours.")
        if lesson.status != "pending" or lesson.is_expired(now):
            raise Conflict("Only a link that is still to be opened can be sent again.")
        self._pace.check(teacher_id, lesson.student_id, now)
        chat_id = (student.chat_id if student else None) or lesson.chat_id
        again = deliveries.first(chat_id, now)
        lesson = await self._store.change(lesson_id, lambda fresh: fresh.with_(delivery=again, chat_id=chat_id))
        return await self._outbound.attempt(lesson, now)

    async def cancel(self, lesson_id: str, teacher_id: str | None) -> Lesson:
        await self._own(lesson_id, teacher_id)
        return await self._store.change(lesson_id, cancelled)

    async def _own(self, lesson_id: str, teacher_id: str | None) -> Lesson:
        lesson = await self._store.get(lesson_id)
        if teacher_id is not None and lesson.teacher_id != teacher_id:
            raise Forbidden("This is another teacher's link.")
        return lesson

    async def _terms(self, new: NewLink, student: Student | None) -> SoldTerms | None:
        package_id = new.package_id or (student.package_id if student else None)
        if package_id is None:
            if new.package_rate is None:
                return None
            return SoldTerms(
                rate=new.package_rate,
                rate_unit="session",
                currency=self._rules.currency,
                rounding="none",
                block_minutes=1,
                minimum_minutes=0,
            )
        package = await self._people.package(package_id)
        if package is None:
            raise unknown_package(package_id)
        return _sold(package, new)


def _same(made: Lesson, asked: Lesson) -> Lesson:
    if (made.student_id, made.link) != (asked.student_id, asked.link):
        raise Conflict("This key was used for another link: a new link needs a new key.")
    return made


def _sold(package: Package, new: NewLink) -> SoldTerms:
    return SoldTerms(
        package_id=package.id,
        version=package.version,
        name=package.name,
        rate=package.rate if new.package_rate is None else new.package_rate,
        rate_unit=package.rate_unit,
        currency=package.currency,
        rounding=package.rounding,
        block_minutes=package.block_minutes,
        minimum_minutes=package.minimum_minutes,
    )


def _teacher(new: NewLink, sender: Sender, student: Student | None) -> str:
    if sender.teacher_id is None:
        if new.teacher_id is None:
            error = FieldError("#/teacherId", "services name the teacher")
            raise Unprocessable("Whose lesson is it?", errors=[error])
        return new.teacher_id
    beyond = [name for name in ("package_rate", "teacher_id", "names", "chat_id") if getattr(new, name) is not None]
    if beyond:
        raise Forbidden("Teachers choose the meeting and the package, nothing else.")
    if student is None:
        raise NotFound("There is no such student.")
    return sender.teacher_id


def _lesson_id(sender: Sender) -> str:
    if sender.repeat_key is None:
        return token_hex(12)
    return hashlib.sha256(f"link {sender.repeat_key}".encode()).hexdigest()[:24]
