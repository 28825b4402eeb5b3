"""Study calls over HTTP (CONTRACT §5): start and end, the provider's webhooks, sessions, days, calls."""

from aiohttp import web

from backend_api.contract.sessions import Reason
from backend_api.contract.wire import at
from backend_api.service.access import Caller, Internal, User, admin, internal, unchecked, user
from backend_api.service.csv import Csv
from backend_api.service.errors import FieldError, Forbidden, Unprocessable
from backend_api.service.routes import RouteTable
from backend_api.sessions.pace import CallPace
from backend_api.sessions.statistics import WholeSpan, split_days, total
from backend_api.study import lists
from backend_api.study.calls import LONGEST_SECONDS
from backend_api.study.intake import WebhookIntake
from backend_api.study.messages import (
    ActiveCall,
    ActiveCalls,
    CallInfo,
    CallPath,
    Correction,
    DailyQuery,
    Day,
    Days,
    Received,
    SessionPath,
    SessionsQuery,
    SessionsTableQuery,
    StudySession,
    StudySessions,
    TrackBody,
    Tracked,
    UserQuery,
    shown,
    tracked,
)
from backend_api.study.reading import StudyReading
from backend_api.study.rows import Manual, Row, call_spans, hours_by_day, is_on, taking_part, within
from backend_api.study.tracking import StudyTracking
from backend_api.study.webhook import MAX_BODY_BYTES, Headers

table = RouteTable("study")

_CALL_SECONDS = (7 * 86_400.0, 400 * 86_400.0)
"""How far back a call is looked at; further only where it was not held, or not with the caller."""


@table.post(
    "/api/study-sessions/stream-duration",
    allow=(user, internal("sessions")),
    summary="A user comes into a call, or leaves",
)
async def track(
    *, body: TrackBody, caller: Caller, address: str, now: float, tracking: StudyTracking, pace: CallPace
) -> Tracked:
    pace.check(caller, address, now)
    _check_self(caller, body.user_id, admins=False)
    if body.action == "start":
        return tracked(*await tracking.start(body.user_id, body.call_id))
    reason: Reason = "disconnect" if body.reason == "pageClose" else "stop"
    return tracked(await tracking.end(body.user_id, body.call_id, reason))


@table.post(
    "/api/webhooks/stream-call-events",
    allow=(unchecked,),
    summary="What Stream tells about calls",
    bare=True,
    max_body_bytes=MAX_BODY_BYTES,
)
async def webhook(*, body: bytes, request: web.Request, intake: WebhookIntake) -> Received:
    sent = request.headers
    headers = Headers(
        api_key=sent.get("X-API-KEY", ""),
        signature=sent.get("X-SIGNATURE", ""),
        webhook_id=sent.get("X-WEBHOOK-ID", ""),
        encoding=sent.get("Content-Encoding", "").lower(),
    )
    return await intake.take(body, headers)


@table.get("/api/study-sessions", allow=(user, internal("read")), summary="Study sessions of a user or of a call")
async def list_sessions(*, query: SessionsQuery, caller: Caller, now: float, reading: StudyReading) -> StudySessions:
    shown, cursor = lists.page(await _found(query, caller, now, reading), query.limit, query.cursor)
    return StudySessions(sessions=await _with_calls(shown, reading, now), next_cursor=cursor)


@table.get("/api/study-sessions.csv", allow=(user, internal("read")), summary="The same as a table")
async def sessions_table(*, query: SessionsTableQuery, caller: Caller, now: float, reading: StudyReading) -> Csv:
    found = await _found(query, caller, now, reading)
    return lists.table(await _with_calls(found, reading, now))


async def _found(query: SessionsTableQuery, caller: Caller, now: float, reading: StudyReading) -> list[Row]:
    asked = query.range(now, reading.zone)
    user_id = query.user_id if _sees_all(caller) else _whose(caller, query.user_id)
    if user_id is not None:
        found = await reading.of_user(user_id, asked.start_at, asked.end_at)
    elif query.call_id is not None:
        found, _ = await reading.of_call(query.call_id, asked.start_at, asked.end_at)
    else:
        raise Unprocessable("Whose sessions?", errors=[FieldError("#/userId", "give userId or callId")])
    if query.call_id is not None:
        found = [row for row in found if row.call_id == reading.short(query.call_id)]
    return found


@table.patch("/api/study-sessions/{id}", allow=(internal("sessions"), admin), summary="Correct how long a session was")
async def correct(
    *,
    path: SessionPath,
    body: Correction,
    caller: Caller,
    now: float,
    tracking: StudyTracking,
    reading: StudyReading,
) -> StudySession:
    by = caller.claims.sub if isinstance(caller, User) else caller.key_id if isinstance(caller, Internal) else ""
    row = await tracking.correct(path.id, Manual(body.duration_seconds, body.reason, by, now))
    (session,) = await _with_calls([row], reading, now)
    return session


@table.get("/api/study-sessions/daily", allow=(user, internal("read")), summary="Hours per day")
async def daily(*, query: DailyQuery, caller: Caller, now: float, reading: StudyReading) -> Days:
    return Days(days=await _days(query, caller, now, reading))


@table.get("/api/study-sessions/daily.csv", allow=(user, internal("read")), summary="The same as a table")
async def daily_table(*, query: DailyQuery, caller: Caller, now: float, reading: StudyReading) -> Csv:
    return lists.day_table(await _days(query, caller, now, reading))


async def _days(query: DailyQuery, caller: Caller, now: float, reading: StudyReading) -> list[Day]:
    asked = query.range(now, reading.zone)
    found = await reading.of_user(_whose(caller, query.user_id), asked.start_at, asked.end_at)
    by_day = hours_by_day(found, asked.start_at, asked.end_at, asked.zone)
    sessions = [{date for date, _ in split_days(row.pieces, asked.zone)} for row in found]
    return [
        Day(
            date=date,
            hours=round(seconds / 3600, 2),
            seconds=seconds,
            sessions=sum(date in dates for dates in sessions),
        )
        for date, seconds in by_day.items()
    ]


@table.get(
    "/api/study-sessions/calls/{callId}",
    allow=(user, internal("read")),
    summary="A call, the last time it was held, and who is or was in it",
)
async def read_call(*, path: CallPath, caller: Caller, now: float, reading: StudyReading) -> CallInfo:
    for seconds in _CALL_SECONDS:
        known, told = await reading.of_call(path.call_id, now - seconds, now + 1)
        spans = call_spans(told.spans, known, now)
        found = taking_part(known, told.spans, now)
        may_look = _sees_all(caller) or any(row.user_id == _whose(caller, None) for row in found)
        if may_look and spans:
            break
    if not may_look:
        raise Forbidden("Only who was in the call may look at it.")
    latest = spans[-1:]
    present = [row for row in found if within(row, latest, now) or row.left_at is None]
    is_active = is_on(told.spans, present)
    return CallInfo(
        call_id=reading.short(path.call_id),
        active=is_active,
        started_at=at(latest[0][0]) if latest else None,
        ended_at=at(latest[0][1]) if latest and not is_active else None,
        duration_seconds=total(latest),
        participants=sorted({row.user_id for row in present}),
    )


@table.get("/api/study-sessions/active-calls", allow=(user, internal("read")), summary="The calls a user is in now")
async def active_calls(*, query: UserQuery, caller: Caller, now: float, reading: StudyReading) -> ActiveCalls:
    found = await reading.of_user(_whose(caller, query.user_id), now, now + 1)
    active = [row for row in found if row.left_at is None]
    return ActiveCalls(
        calls=[
            ActiveCall(
                session_id=row.id, call_id=row.call_id, joined_at=at(row.joined_at), duration_seconds=row.seconds
            )
            for row in active
        ]
    )


async def _with_calls(found: list[Row], reading: StudyReading, now: float) -> list[StudySession]:
    """Each session with the duration of the call it was part of, the same for everybody in it.

    Where the provider lists who was in the call, nobody else learns how long it was.
    """
    around = {call_id: _around(found, call_id, now) for call_id in {row.call_id for row in found}}
    told = await reading.told({call_id: start_at for call_id, (start_at, _) in around.items()})
    spans: dict[str, list[WholeSpan]] = {}
    for call_id, (start_at, end_at) in around.items():
        is_told = bool(told[call_id].spans)
        everybody = [] if is_told else (await reading.of_call(call_id, start_at, end_at))[0]
        spans[call_id] = call_spans(told[call_id].spans, everybody, now)
    return [
        shown(row, total(within(row, spans[row.call_id], now)) if row.is_told or not told[row.call_id].users else None)
        for row in found
    ]


def _around(found: list[Row], call_id: str, now: float) -> tuple[float, float]:
    """The time in which whatever is of one call with these sessions lies, whoever is asked for."""
    own = [row for row in found if row.call_id == call_id]
    ends = [now if row.left_at is None else row.left_at for row in own]
    return min(row.joined_at for row in own) - LONGEST_SECONDS, max(ends) + LONGEST_SECONDS


def _sees_all(caller: Caller) -> bool:
    return isinstance(caller, Internal) or (isinstance(caller, User) and caller.claims.is_admin)


def _whose(caller: Caller, asked: str | None) -> str:
    """The user to show: themselves, or for admins and services whoever is asked for."""
    if asked is None and isinstance(caller, User):
        return caller.claims.sub[:128]
    if asked is None:
        raise Unprocessable("Whose?", errors=[FieldError("#/userId", "services name the user")])
    _check_self(caller, asked, admins=True)
    return asked


def _check_self(caller: Caller, user_id: str, *, admins: bool) -> None:
    if isinstance(caller, User) and caller.claims.sub[:128] != user_id and not (admins and caller.claims.is_admin):
        raise Forbidden("These are somebody else's sessions.")
