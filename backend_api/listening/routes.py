"""Listening over HTTP: sessions, listening time, reports, lists (CONTRACT §3)."""

from collections.abc import AsyncGenerator, Sequence

from aiohttp import web

from backend_api.contract.sessions import Reason
from backend_api.contract.wire import at
from backend_api.listening import lists, messages
from backend_api.listening.calls import ListeningCalls, Sender
from backend_api.listening.channels import Channel, Channels
from backend_api.listening.messages import (
    BeatBody,
    ChannelPath,
    EndBody,
    Ended,
    ListeningSession,
    SessionPage,
    SessionPath,
    SessionsQuery,
    SessionsTableQuery,
    StartBody,
    Started,
    TimeQuery,
)
from backend_api.listening.reports import ListenersReport, ListeningTime
from backend_api.listening.rows import Row, row_of_record
from backend_api.listening.station import Station
from backend_api.places import Places
from backend_api.service.access import Caller, User, admin, anyone, authorize, internal, owner_of_room
from backend_api.service.access import user as a_user
from backend_api.service.csv import Cell, Csv
from backend_api.service.errors import Conflict, FieldError, Forbidden, Unprocessable
from backend_api.service.routes import RouteTable
from backend_api.sessions.pace import CallPace
from backend_api.sessions.ranges import Range, RangeQuery

table = RouteTable("listening")

_READERS = (owner_of_room, admin, internal("read"))


@table.post("/listening-sessions", allow=(anyone,), summary="Start a listening session", status=201)
async def start_session(
    *,
    body: StartBody,
    caller: Caller,
    address: str,
    request: web.Request,
    now: float,
    calls: ListeningCalls,
    places: Places,
    pace: CallPace,
) -> Started:
    pace.check(caller, address, now)
    target = (body.channel_id, body.stream_id or "", body.show_id or "")
    where = places.of_request(request.remote or "", request.headers, address)
    sender = Sender(address, request.headers.get("User-Agent", ""), where)
    record, token = await calls.start(caller, target, body.listener_id, sender)
    return Started(id=record.session.id, session_token=token, start_time=at(record.session.started_at))


@table.patch("/listening-sessions/{id}", allow=(anyone,), summary="A beat, or the end")
async def beat_session(
    *,
    path: SessionPath,
    body: BeatBody,
    caller: Caller,
    address: str,
    now: float,
    calls: ListeningCalls,
    pace: CallPace,
) -> ListeningSession:
    pace.check(caller, address, now)
    record, was_active = await calls.beat(caller, path.id, body.session_token, body.duration_seconds, address)
    if was_active and body.status == "completed":
        record = await calls.end(caller, path.id, body.session_token, body.duration_seconds, address)
    session = messages.listed(row_of_record(record))
    if not was_active:
        raise _over(session)
    return session


@table.post("/listening-sessions/{id}/end", allow=(anyone,), summary="End a session", beacon=True)
async def end_session(
    *,
    path: SessionPath,
    body: EndBody,
    caller: Caller,
    address: str,
    now: float,
    calls: ListeningCalls,
    pace: CallPace,
) -> Ended:
    pace.check(caller, address, now)
    reason: Reason = "disconnect" if body.reason == "pageClose" else "stop"
    record = await calls.end(caller, path.id, body.session_token, body.duration_seconds, address, reason)
    return messages.ended(record)


@table.get("/listening-sessions", allow=(a_user, internal("read")), summary="Listening sessions")
async def list_sessions(*, query: SessionsQuery, caller: Caller, now: float, station: Station) -> SessionPage:
    fact, value = _whose(query, caller)
    asked = query.range(now, await station.zone(query.channel_id, query.tz))
    return await lists.page(station.source, fact, value, asked, query.status, query.limit, query.cursor)


@table.get("/listening-sessions.csv", allow=(a_user, internal("read")), summary="Listening sessions as a table")
async def list_sessions_table(*, query: SessionsTableQuery, caller: Caller, now: float, station: Station) -> Csv:
    fact, value = _whose(query, caller)
    asked = query.range(now, await station.zone(query.channel_id, query.tz))
    name = "listening.csv" if query.channel_id is None else f"listening-{query.channel_id}.csv"
    return Csv(name, lists.COLUMNS, _lines(station, fact, value, asked, query.status))


@table.get("/analytics/channels/{channelId}/listening-time", allow=_READERS, summary="Listening time of a channel")
async def read_listening_time(*, path: ChannelPath, query: TimeQuery, now: float, station: Station) -> ListeningTime:
    return await station.listening_time(path.channel_id, query.period, query.tz, now)


@table.get("/analytics/channels/{channelId}/listeners", allow=_READERS, summary="Who listened, when, with what")
async def read_listeners(*, path: ChannelPath, query: RangeQuery, now: float, station: Station) -> ListenersReport:
    asked = query.range(now, await station.zone(path.channel_id, query.tz))
    return await station.listeners(path.channel_id, asked)


@table.put("/api/channels/{channelId}", allow=(internal("admin"),), summary="What a channel is called")
async def put_channel(*, path: ChannelPath, body: Channel, channels: Channels) -> Channel:
    await channels.put(path.channel_id, body)
    return body


def _whose(query: SessionsTableQuery, caller: Caller) -> tuple[str, str]:
    """By which fact, and which value of it, sessions are listed. Forbidden for others' channels."""
    if query.mine == "1":
        if not isinstance(caller, User):
            raise Forbidden("Only a user has sessions of their own.")
        return "user", caller.claims.sub[:128]
    if query.channel_id is None:
        errors = [FieldError("#/channelId", "give channelId, or mine=1")]
        raise Unprocessable("The query is not what it should be.", errors=errors)
    authorize(caller, f"channel:{query.channel_id}", _READERS)
    return "channel", query.channel_id


async def _lines(
    station: Station, fact: str, value: str, asked: Range, status: str
) -> AsyncGenerator[Sequence[Cell], None]:
    rows: list[Row] = await station.source.rows_by(fact, value, asked.start_at, asked.end_at)
    names: dict[str, str] = {}
    for row in rows:
        channel = row.facts.get("channel")
        if channel is not None and channel not in names:
            names[channel] = (await station.channels.find(channel)).name
    async for line in lists.table(rows, asked, status, names):
        yield line


def _over(session: ListeningSession) -> Conflict:
    """409, with the record that says how it ended."""
    conflict = Conflict("This session is over.")
    conflict.members["session"] = session.model_dump(mode="json", by_alias=True)
    return conflict
