"""The bodies and answers of the listening endpoints."""

from typing import Annotated, Literal

from pydantic import Field

from backend_api.contract.rooms import RoomId
from backend_api.contract.session_tokens import MAX_TOKEN_LENGTH
from backend_api.contract.sessions import ListenerId, Quality
from backend_api.contract.wire import ADVISORY, Lenient, Timestamp, Wire, at
from backend_api.listening.rows import Row
from backend_api.sessions.documents import Record
from backend_api.sessions.ranges import Period, RangeQuery, Zone

Status = Literal["active", "completed", "timeout"]
SessionToken = Annotated[str, Field(max_length=MAX_TOKEN_LENGTH)]
ClientSeconds = Annotated[int, Field(ge=0, le=1_000_000_000)]


class StartBody(Wire):
    """What is listened to, and by whom if no token says it."""

    channel_id: RoomId
    stream_id: RoomId | None = None
    show_id: RoomId | None = None
    listener_id: ListenerId | None = None


class Started(Wire):
    """A session that began."""

    id: str
    session_token: str
    status: Literal["active"] = "active"
    start_time: Timestamp


class BeatBody(Wire):
    """A sign of life, or with `completed` an end. `duration_seconds` is kept beside what the server measures."""

    duration_seconds: ClientSeconds | None = None
    status: Literal["active", "completed"] = "active"
    session_token: SessionToken | None = None


class EndBody(Lenient):
    """An end, as a beacon sends it; `pageClose` where the page closed, perhaps to be reloaded."""

    duration_seconds: Annotated[ClientSeconds | None, ADVISORY] = None
    session_token: SessionToken | None = None
    reason: Annotated[str | None, ADVISORY] = None


class Ended(Wire):
    """The end of a session; the same answer however often it is asked for."""

    duration_seconds: int
    status: Status
    end_time: Timestamp | None


class SessionPath(Wire):
    """A session."""

    id: RoomId


class ChannelPath(Wire):
    """A channel."""

    channel_id: RoomId

    @property
    def room(self) -> str:
        return f"channel:{self.channel_id}"


class TimeQuery(Wire):
    """Which period."""

    period: Period = "today"
    tz: Zone | None = None


class SessionsTableQuery(RangeQuery):
    """The sessions of a channel, or with `mine=1` the caller's own."""

    channel_id: RoomId | None = None
    mine: Literal["0", "1"] = "0"
    status: Status | Literal["all"] = "all"


class SessionsQuery(SessionsTableQuery):
    """One page of them, the latest first."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, Field(max_length=400)] | None = None


class ListeningSession(Wire):
    """A session as it is listed. `difference_seconds`: what the client claims beyond what was measured.

    `counted_seconds`: what of it the totals of the range count, None where no range was asked for.
    """

    id: str
    user_id: str | None
    listener_id: str | None
    channel_id: str | None
    stream_id: str | None
    show_id: str | None
    start_time: Timestamp
    end_time: Timestamp | None
    duration_seconds: int
    counted_seconds: int | None
    client_duration_seconds: int | None
    difference_seconds: int | None
    status: Status
    device: str | None
    country: str | None
    region: str | None
    quality: Quality


class SessionPage(Wire):
    """Sessions, and where to go on."""

    sessions: list[ListeningSession]
    next_cursor: str | None


def listed(row: Row, counted_seconds: int | None = None) -> ListeningSession:
    facts, claimed = row.facts, row.client_seconds
    return ListeningSession.model_validate(
        {
            "id": row.id,
            "user_id": facts.get("user"),
            "listener_id": facts.get("listener"),
            "channel_id": facts.get("channel"),
            "stream_id": facts.get("stream"),
            "show_id": facts.get("show"),
            "start_time": at(row.start_at),
            "end_time": None if row.end_at is None else at(row.end_at),
            "duration_seconds": row.seconds,
            "counted_seconds": counted_seconds,
            "client_duration_seconds": claimed,
            "difference_seconds": None if claimed is None else claimed - row.seconds,
            "status": row.status,
            "device": facts.get("device"),
            "country": facts.get("country"),
            "region": facts.get("region"),
            "quality": row.quality,
        }
    )


def ended(record: Record) -> Ended:
    verdict = record.verdict
    end = None if verdict.end_at is None else at(verdict.end_at)
    return Ended(duration_seconds=verdict.seconds, status=verdict.status, end_time=end)
