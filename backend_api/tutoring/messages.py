"""What is said about tutoring over HTTP (CONTRACT §4). Durations are seconds, except where a name says minutes."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from backend_api.contract.rooms import RoomId
from backend_api.contract.wire import ADVISORY, Lenient, Timestamp, Wire
from backend_api.tutoring.billing import RateUnit, Rounding

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
ChatId = Annotated[str, StringConstraints(pattern=r"^(-?[0-9]{1,20}|@[A-Za-z0-9_]{1,64})$")]


def _written_out(rate: Decimal) -> Decimal:
    """1000 rather than 1E+3: people read it."""
    return Decimal(format(rate, "f"))


Rate = Annotated[
    Decimal, Field(ge=0, max_digits=12, decimal_places=4, allow_inf_nan=False), AfterValidator(_written_out)
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
MeetingUrl = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ReasonText = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class TeacherInfo(Wire):
    """A teacher, as the host application registers them."""

    name: Name


class StudentInfo(Wire):
    """A student: how to reach them, who may teach them, and what their lessons cost unless a link says otherwise."""

    name: Name
    chat_id: ChatId | None = None
    teacher_ids: Annotated[list[RoomId], Field(max_length=500)]
    package_id: RoomId | None = None


class Student(StudentInfo):
    """A registered student."""

    id: RoomId


class Students(Wire):
    """A teacher's students by name."""

    students: list[Student]


class PackageInfo(Wire):
    """How lessons are billed; `rate` is a decimal as text, per session unless said otherwise."""

    name: Name
    rate: Rate
    rate_unit: RateUnit = "session"
    currency: Currency
    rounding: Rounding = "none"
    block_minutes: Annotated[int, Field(ge=1, le=1_440)] = 1
    minimum_minutes: Annotated[int, Field(ge=0, le=1_440)] = 0


class Package(PackageInfo):
    """A package and which version of it this is; a change makes the next one."""

    id: RoomId
    version: int


class Packages(Wire):
    """All packages, newest version each."""

    packages: list[Package]


class Names(Wire):
    """What to call people who are not registered."""

    teacher: Name | None = None
    student: Name | None = None


class NewLink(Wire):
    """A lesson to offer. Teachers name the link and perhaps a package; services may say everything."""

    link: MeetingUrl
    package_id: RoomId | None = None
    package_rate: Rate | None = None
    teacher_id: RoomId | None = None
    names: Names | None = None
    chat_id: ChatId | None = None


class SentLink(Wire):
    """A link that was made; `delivered` is false while the student's messenger has not taken it."""

    id: str
    sent_time: Timestamp
    delivered: bool


class IssuedLink(SentLink):
    """The same for a service of ours, which may hand the link over itself."""

    tracking_token: str
    tracking_url: str


class Tracked(Lenient):
    """What the tracking page sends: the token it was opened with."""

    token: Token


class EndTracked(Tracked):
    """The page's end. `duration` (minutes) and `endTime` are what the page believes; they are never billed."""

    duration: Annotated[float | None, Field(ge=0, le=1e9, allow_inf_nan=False), ADVISORY] = None
    end_time: Annotated[str | float | None, ADVISORY] = None
    reason: Annotated[str | None, ADVISORY] = "button"


class LessonState(Wire):
    """How a lesson stands, for its page; `serverTime` so that its timer needs no clock of its own."""

    status: Literal["pending", "active", "ended", "timeout", "cancelled"]
    server_time: Timestamp
    clicked_at: Timestamp | None = None
    session_ended_at: Timestamp | None = None
    session_duration_minutes: int | None = None
    duration_seconds: int | None = None
    end_reason: Literal["button", "pageClose", "timeout"] | None = None


class StartedLesson(LessonState):
    """The same with the way to the meeting."""

    link: str


class DurationCorrection(Wire):
    """An admin's word on how long a lesson was."""

    duration_minutes: Annotated[float, Field(strict=True, ge=0, le=24 * 60, allow_inf_nan=False)]
    reason: ReasonText
