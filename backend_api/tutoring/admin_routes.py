"""What admins see and do: lessons with their figures, statements, corrections, the sweep. Teachers see their own."""

from typing import Annotated

from pydantic import Field

from backend_api.contract.wire import Wire
from backend_api.nodes.store import NodeStore
from backend_api.service.access import Caller, User, admin, internal
from backend_api.service.csv import Csv
from backend_api.service.errors import Forbidden
from backend_api.sessions.cursors import cursor_of, position
from backend_api.sessions.store import SessionStore
from backend_api.tutoring import export
from backend_api.tutoring.figures import figures
from backend_api.tutoring.lesson import Correction, corrected
from backend_api.tutoring.messages import DurationCorrection
from backend_api.tutoring.months import Months, Statement
from backend_api.tutoring.queries import (
    LessonListQuery,
    LessonPage,
    LessonQuery,
    LessonRow,
    Month,
    StatementQuery,
    month_of,
    row,
)
from backend_api.tutoring.routes import LessonPath, table, teacher, teacher_of
from backend_api.tutoring.settings import Rules
from backend_api.tutoring.store import Filter, LessonStore
from backend_api.tutoring.tracking import Tracking

__all__ = ["table"]

_READERS = (admin, teacher, internal("read"))


class ClosedMonth(Wire):
    """The month to close."""

    month: Month


class Swept(Wire):
    """What a sweep did."""

    timed_out: int


class LiveSessions(Wire):
    """How many sessions of each kind are on."""

    listening: int
    tutoring: int
    study: int


class KnownNodes(Wire):
    """The presence processes that reported lately, and those that fell silent."""

    alive: int
    silent: int


class TrackingHealth(Wire):
    """How tracking stands. Sessions are tutoring's; a stale one has been silent for longer than the timeout."""

    database: str
    total_sessions: Annotated[int, Field(ge=0)]
    active_sessions: int
    stale_sessions: int
    timeout_seconds: float
    live: LiveSessions
    nodes: KnownNodes


@table.get("/api/admin/teacher-sessions", allow=_READERS, summary="Tutoring sessions and their statistics")
async def list_lessons(
    *, query: LessonListQuery, caller: Caller, now: float, store: LessonStore, rules: Rules
) -> LessonPage:
    wanted = _wanted(query, caller, now, rules)
    after = None if query.cursor is None else position(query.cursor)
    page = await store.find(wanted, limit=query.limit + 1, skip_after=after)
    shown = page[: query.limit]
    return LessonPage(
        sessions=[row(lesson) for lesson in shown],
        statistics=await figures(store.held(wanted)),
        next_cursor=cursor_of(shown[-1].began_or_sent_at, shown[-1].id) if len(page) > query.limit else None,
    )


@table.get("/api/admin/teacher-sessions.csv", allow=_READERS, summary="Tutoring sessions as a table")
async def lessons_table(*, query: LessonQuery, caller: Caller, now: float, store: LessonStore, rules: Rules) -> Csv:
    return export.lessons(store.in_order(_wanted(query, caller, now, rules)))


@table.patch("/api/admin/teacher-sessions/{id}", allow=(admin,), summary="Correct a session's duration")
async def correct(
    *, path: LessonPath, body: DurationCorrection, caller: Caller, now: float, store: LessonStore, months: Months
) -> LessonRow:
    await months.check_open(await store.get(path.id))
    by = caller.claims.sub if isinstance(caller, User) else ""
    correction = Correction(seconds=round(body.duration_minutes * 60), reason=body.reason, by=by, at=now)
    return row(await store.change(path.id, lambda lesson: corrected(lesson, correction)))


@table.get("/api/admin/teacher-statements", allow=_READERS, summary="What teachers' lessons of a month cost")
async def read_statement(
    *, query: StatementQuery, caller: Caller, now: float, months: Months, rules: Rules
) -> Statement:
    return await _statement(query, caller, now, months, rules)


@table.get("/api/admin/teacher-statements.csv", allow=_READERS, summary="The same as a table")
async def statement_table(*, query: StatementQuery, caller: Caller, now: float, months: Months, rules: Rules) -> Csv:
    return export.statement(await _statement(query, caller, now, months, rules))


@table.post("/api/admin/teacher-statements/close", allow=(admin,), summary="Freeze a month that is over")
async def close_month(*, body: ClosedMonth, months: Months) -> Statement:
    return await months.close(body.month)


@table.post("/api/admin/auto-timeout", allow=(admin,), summary="End silent sessions now")
async def sweep_by_hand(*, tracking: Tracking) -> Swept:
    return Swept(timed_out=await tracking.sweep())


@table.post("/api/cron/session-timeout", allow=(internal("sessions"),), summary="End silent sessions, for a cron job")
async def sweep_by_cron(*, tracking: Tracking) -> Swept:
    return Swept(timed_out=await tracking.sweep())


@table.get(
    "/api/cron/session-timeout", allow=(internal("sessions"),), summary="The same for cron services that only GET"
)
async def sweep_by_cron_get(*, tracking: Tracking) -> Swept:
    return Swept(timed_out=await tracking.sweep())


@table.get(
    "/api/health/session-tracking", allow=(admin, internal("read")), summary="Whether sessions are tracked", bare=True
)
async def tracking_health(
    *, now: float, store: LessonStore, tracking: Tracking, sessions: SessionStore, nodes: NodeStore
) -> TrackingHealth:
    total, active, stale = await store.totals(now - tracking.timeout_seconds)
    live, (alive, silent) = await sessions.live_by_kind(), (await nodes.leases()).census(now)
    return TrackingHealth(
        database="reachable",
        total_sessions=total,
        active_sessions=active,
        stale_sessions=stale,
        timeout_seconds=tracking.timeout_seconds,
        live=LiveSessions(**live),
        nodes=KnownNodes(alive=alive, silent=silent),
    )


def _wanted(query: LessonQuery, caller: Caller, now: float, rules: Rules) -> Filter:
    wanted = query.filter(now, rules.timezone)
    return wanted._replace(teacher_id=_allowed_teacher(caller, query.teacher))


async def _statement(query: StatementQuery, caller: Caller, now: float, months: Months, rules: Rules) -> Statement:
    month = query.month or month_of(now, rules.timezone)
    return await months.statement(month, _allowed_teacher(caller, query.teacher))


def _allowed_teacher(caller: Caller, asked: str | None) -> str | None:
    """The teacher to show: whoever is asked for, or all; for a teacher themselves alone."""
    own = None if isinstance(caller, User) and caller.claims.is_admin else teacher_of(caller)
    if own is not None and asked not in (None, own):
        raise Forbidden("Teachers see their own sessions.")
    return own or asked
