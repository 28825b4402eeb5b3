"""What is said about study calls over HTTP (CONTRACT §5). `duration` is in minutes, everything else in seconds."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from backend_api.contract.rooms import RoomId
from backend_api.contract.sessions import PersonId
from backend_api.contract.wire import Timestamp, Wire, at
from backend_api.sessions.ranges import RangeQuery
from backend_api.study.calls import LONGEST_SECONDS
from backend_api.study.rows import Row

CallId = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-]{1,64}:)?[A-Za-z0-9_.~-]{1,128}$")]
Source = Literal["provider", "server", "manual"]


class TrackBody(Wire):
    """A user comes into a call, or leaves it; `pageClose` where the page closed, perhaps to be reloaded."""

    user_id: PersonId
    call_id: CallId
    action: Literal["start", "end"]
    reason: Literal["button", "pageClose"] = "button"


class Tracked(Wire):
    """The session as it stands after that. A socket that shows the token of a start goes on with the session."""

    id: str
    status: Literal["active", "completed"]
    joined_at: Timestamp
    left_at: Timestamp | None = None
    duration: int | None = None
    duration_seconds: int | None = None
    duration_source: Source | None = None
    session_token: str | None = None


class Sources(Wire):
    """The same session by each measure that there is, in seconds."""

    provider: int | None
    server: int | None
    manual: int | None


class StudySession(Wire):
    """A user's stay in a call. `differenceSeconds` is the provider's measure less ours, where there are both."""

    id: str
    user_id: str
    call_id: str
    joined_at: Timestamp
    left_at: Timestamp | None
    duration: int
    duration_seconds: int
    duration_source: Source
    call_duration_seconds: int | None
    sources: Sources
    difference_seconds: int | None
    status: Literal["active", "completed"]
    reason: str | None


class StudySessions(Wire):
    """Sessions, newest first, and where to go on."""

    sessions: list[StudySession]
    next_cursor: str | None


class SessionsTableQuery(RangeQuery):
    """Sessions of a user, of a call, or of a user in a call."""

    user_id: PersonId | None = None
    call_id: CallId | None = None


class SessionsQuery(SessionsTableQuery):
    """One page of them."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, Field(max_length=400)] | None = None


class UserQuery(Wire):
    """Whose; users may leave it out."""

    user_id: PersonId | None = None


class DailyQuery(RangeQuery):
    """Whose hours; users may leave it out."""

    user_id: PersonId | None = None


class Day(Wire):
    """A day of the time zone asked for; calls at the same time count once."""

    date: str
    hours: float
    seconds: int
    sessions: int


class Days(Wire):
    """The days on which there was anything, in order."""

    days: list[Day]


class CallPath(Wire):
    """A call, with or without its type."""

    call_id: CallId


class SessionPath(Wire):
    """A session."""

    id: RoomId


class CallInfo(Wire):
    """A call, the last time it was held, and who is or was in it then."""

    call_id: str
    active: bool
    started_at: Timestamp | None
    ended_at: Timestamp | None
    duration_seconds: int
    participants: list[str]


class ActiveCall(Wire):
    """A call that a user is in now."""

    session_id: str
    call_id: str
    joined_at: Timestamp
    duration_seconds: int


class ActiveCalls(Wire):
    """All of them; several at once are allowed."""

    calls: list[ActiveCall]


class Correction(Wire):
    """How long it really was, and why that is said; no session is longer than a day."""

    duration_seconds: Annotated[int, Field(ge=0, le=LONGEST_SECONDS)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class Received(Wire):
    """What became of a webhook."""

    status: Literal["stored", "duplicate", "ignored"]


def tracked(row: Row, session_token: str | None = None) -> Tracked:
    if row.left_at is None:
        return Tracked(id=row.id, status="active", joined_at=at(row.joined_at), session_token=session_token)
    return Tracked(
        id=row.id,
        status="completed",
        joined_at=at(row.joined_at),
        left_at=at(row.left_at),
        duration=row.seconds // 60,
        duration_seconds=row.seconds,
        duration_source=row.source,
    )


def shown(row: Row, call_seconds: int | None) -> StudySession:
    both = row.provider_seconds is not None and row.server_seconds is not None
    return StudySession(
        id=row.id,
        user_id=row.user_id,
        call_id=row.call_id,
        joined_at=at(row.joined_at),
        left_at=None if row.left_at is None else at(row.left_at),
        duration=row.seconds // 60,
        duration_seconds=row.seconds,
        duration_source=row.source,
        call_duration_seconds=call_seconds,
        sources=Sources(
            provider=row.provider_seconds, server=row.server_seconds, manual=row.manual and row.manual.seconds
        ),
        difference_seconds=(row.provider_seconds or 0) - (row.server_seconds or 0) if both else None,
        status="active" if row.left_at is None else "completed",
        reason=row.manual and row.manual.reason,
    )
