"""Links and the lessons behind them over HTTP: the teacher's side and the student's (CONTRACT §4)."""

import re
from typing import Literal
from zoneinfo import ZoneInfo

from aiohttp import web

from backend_api.contract.rooms import RoomId
from backend_api.contract.signing import ID_HEADER, KEY_ID_HEADER
from backend_api.contract.wire import Wire, at
from backend_api.service.access import Caller, Internal, User, admin, internal, role, unchecked
from backend_api.service.errors import BadRequest, Forbidden
from backend_api.service.routes import RouteTable
from backend_api.sessions.pace import CallPace
from backend_api.sessions.ranges import period_range
from backend_api.tutoring.lesson import Claimed, Lesson
from backend_api.tutoring.links import Links, Sender
from backend_api.tutoring.messages import (
    EndTracked,
    IssuedLink,
    LessonState,
    NewLink,
    Package,
    PackageInfo,
    Packages,
    SentLink,
    StartedLesson,
    Student,
    StudentInfo,
    Students,
    TeacherInfo,
    Tracked,
)
from backend_api.tutoring.people import People
from backend_api.tutoring.queries import DayQuery, DaysLessons, LessonRow, moment, row
from backend_api.tutoring.settings import Rules
from backend_api.tutoring.store import LessonStore
from backend_api.tutoring.tracking import Tracking

table = RouteTable("tutoring")

teacher = role("teacher")

REPEAT_HEADER = "Idempotency-Key"
_REPEAT_KEY = re.compile(r"[!-~]{1,128}")


class StudentPath(Wire):
    """A student."""

    student_id: RoomId


class TeacherPath(Wire):
    """A teacher."""

    teacher_id: RoomId


class PackagePath(Wire):
    """A package."""

    package_id: RoomId


class LessonPath(Wire):
    """A link, and the session behind it."""

    id: RoomId


def teacher_of(caller: Caller) -> str | None:
    """The teacher that a user is; None for services, who act for any. Forbidden for a teacher without an id."""
    if isinstance(caller, Internal):
        return None
    if not isinstance(caller, User) or caller.claims.teacher_id is None:
        raise Forbidden("The token does not say which teacher this is.")
    return caller.claims.teacher_id


@table.put("/api/students/{studentId}", allow=(internal("admin"), admin), summary="Register a student")
async def put_student(*, path: StudentPath, body: StudentInfo, people: People) -> Student:
    return await people.put_student(path.student_id, body)


@table.put("/api/teachers/{teacherId}", allow=(internal("admin"), admin), summary="Register a teacher")
async def put_teacher(*, path: TeacherPath, body: TeacherInfo, people: People) -> TeacherInfo:
    await people.put_teacher(path.teacher_id, body)
    return body


@table.put(
    "/api/admin/packages/{packageId}",
    allow=(internal("admin"), admin),
    summary="Set a package's terms; a change is a new version",
)
async def put_package(*, path: PackagePath, body: PackageInfo, people: People) -> Package:
    return await people.put_package(path.package_id, body)


@table.get("/api/admin/packages", allow=(internal("read"), admin, teacher), summary="All packages")
async def list_packages(*, people: People) -> Packages:
    return Packages(packages=await people.packages())


@table.get("/api/teachers/students", allow=(teacher,), summary="The caller's own students")
async def list_students(*, caller: Caller, people: People) -> Students:
    teacher_id = teacher_of(caller)
    return Students(students=[] if teacher_id is None else await people.students_of(teacher_id))


@table.get("/api/teachers/sessions", allow=(teacher,), summary="The caller's sessions of today, and what is open")
async def list_today(*, query: DayQuery, caller: Caller, now: float, store: LessonStore, rules: Rules) -> DaysLessons:
    today_at = period_range("today", now, ZoneInfo(query.tz or rules.timezone)).start_at
    found = await store.of_day(teacher_of(caller), today_at, now)
    return DaysLessons(sessions=[row(lesson) for lesson in found])


@table.post(
    "/api/teachers/students/{studentId}/zoom",
    allow=(teacher, internal("sessions")),
    summary="Send a student a link to a meeting",
    status=201,
)
async def send_link(
    *, path: StudentPath, body: NewLink, caller: Caller, address: str, request: web.Request, now: float, links: Links
) -> IssuedLink | SentLink:
    sender = Sender(teacher_of(caller), address, _repeat_key(caller, request))
    return _sent(await links.create(path.student_id, body, sender, now), caller, links)


@table.post("/api/teachers/links/{id}/resend", allow=(teacher, internal("sessions")), summary="Send a link again")
async def resend_link(*, path: LessonPath, caller: Caller, now: float, links: Links) -> IssuedLink | SentLink:
    return _sent(await links.resend(path.id, teacher_of(caller), now), caller, links)


@table.delete("/api/teachers/links/{id}", allow=(teacher, internal("sessions")), summary="Cancel a pending link")
async def cancel_link(*, path: LessonPath, caller: Caller, links: Links) -> LessonRow:
    return row(await links.cancel(path.id, teacher_of(caller)))


@table.post("/api/zoom/start", allow=(unchecked,), summary="The student goes to the meeting", beacon=True)
async def start(
    *, body: Tracked, caller: Caller, address: str, now: float, tracking: Tracking, pace: CallPace
) -> StartedLesson:
    pace.check(caller, address, now)
    lesson = await tracking.start(body.token, address=address)
    return StartedLesson(link=lesson.link, **_state(lesson, now).model_dump())


@table.post("/api/zoom/heartbeat", allow=(unchecked,), summary="The page is open", beacon=True)
async def heartbeat(
    *, body: Tracked, caller: Caller, address: str, now: float, tracking: Tracking, pace: CallPace
) -> LessonState:
    pace.check(caller, address, now)
    return _state(await tracking.beat(body.token), now)


@table.post("/api/zoom/end-session", allow=(unchecked,), summary="End the lesson", beacon=True)
async def end_session(
    *, body: EndTracked, caller: Caller, address: str, now: float, tracking: Tracking, pace: CallPace
) -> LessonState:
    pace.check(caller, address, now)
    # Only the button's end is for good; whatever else a page says, it may be back.
    reason: Literal["button", "pageClose"] = "button" if body.reason in (None, "button") else "pageClose"
    return _state(await tracking.end(body.token, Claimed(reason, body.duration)), now)


def _sent(lesson: Lesson, caller: Caller, links: Links) -> IssuedLink | SentLink:
    sent = SentLink(id=lesson.id, sent_time=at(lesson.sent_at), delivered=lesson.delivery.state == "delivered")
    if not isinstance(caller, Internal):
        return sent
    token = links.maker.token(lesson)
    return IssuedLink(**sent.model_dump(), tracking_token=token, tracking_url=links.maker.url(lesson))


def _state(lesson: Lesson, now: float) -> LessonState:
    return LessonState(
        status=lesson.status,
        server_time=at(now),
        clicked_at=moment(lesson.clicked_at),
        session_ended_at=moment(lesson.ended_at),
        session_duration_minutes=lesson.duration_minutes,
        duration_seconds=lesson.duration_seconds,
        end_reason=lesson.end_reason,
    )


def _repeat_key(caller: Caller, request: web.Request) -> str | None:
    """A request that arrives twice must not make a second link: a replayed signed one, or one under the same key."""
    if isinstance(caller, Internal) and ID_HEADER in request.headers:
        return f"{request.headers.get(KEY_ID_HEADER, '')}|{request.headers[ID_HEADER]}"
    given = request.headers.get(REPEAT_HEADER)
    if given is None:
        return None
    if not _REPEAT_KEY.fullmatch(given):
        raise BadRequest(f"{REPEAT_HEADER} must be 1 to 128 printable characters without spaces.")
    return "\n".join((REPEAT_HEADER, teacher_of(caller) or "", given))
