"""What lessons cost, over HTTP: terms, corrections, months and their closing."""

import csv
import io
from decimal import Decimal

from backend_api.contract.wire import at, rfc3339
from backend_api.tutoring.months import STATEMENTS, Months
from backend_api.tutoring.store import LessonStore
from tests.backend_api.tutoring.calls import (
    ADMIN,
    SESSIONS,
    TEACHER,
    hold,
    sessions,
    track,
)
from tests.backend_api.tutoring.test_size import held as lesson

OLD = ["2026-07", "2026-08", "2026-09", "2026-10", "2026-11"]
DECEMBER = 1_796_083_200.0
"""2026-12-01T00:00:00Z."""


async def at_midnight(api, make_link, before):
    """A lesson that began so long before the first of December; its token."""
    api.clock.at = DECEMBER - before
    token = (await make_link())["trackingToken"]
    await track(api, "start", token)
    return token


async def test_a_new_rate_leaves_old_lessons_alone(api, make_link):
    """Each lesson keeps the version it was sold under."""
    await hold(api, make_link, 3_600)
    changed = {
        "name": "Hours",
        "rate": "50",
        "rateUnit": "hour",
        "currency": "EUR",
        "rounding": "up",
        "blockMinutes": 15,
    }
    assert (await api.data("PUT", "/api/admin/packages/hours", changed))["version"] == 2
    assert (await api.data("PUT", "/api/admin/packages/hours", changed))["version"] == 2
    await hold(api, make_link, 3_600)
    statement = await api.data("GET", "/api/admin/teacher-statements?teacher=t1", claims=TEACHER)
    assert [(line["packageVersion"], line["amount"]) for line in statement["lines"]] == [(1, "40.00"), (2, "50.00")]
    assert statement["totals"] == {"EUR": "90.00"}


async def test_a_rate_is_written_out(api):
    """However it came: people read it, and spreadsheets."""
    terms = {"name": "Big", "rate": "1e3", "currency": "EUR"}
    assert (await api.data("PUT", "/api/admin/packages/big", terms))["rate"] == "1000"
    assert (await api("PUT", "/api/admin/packages/big", terms | {"rate": "1e20"}))[0] == 422


async def test_a_statement_is_the_sum_of_what_the_sessions_table_says(api, make_link):
    """Billed seconds and amounts are there lesson by lesson, with whoever corrected one and why."""
    for seconds in (420, 1_801, 3_601):
        lesson = await hold(api, make_link, seconds)
    fix = {"durationMinutes": 5, "reason": "fire alarm"}
    await api.data("PATCH", f"{SESSIONS}/{lesson['id']}", fix, claims=ADMIN)
    _, text = await api("GET", f"{SESSIONS}.csv", claims=ADMIN)
    rows = list(csv.DictReader(io.StringIO(text)))
    (line,) = (await api.data("GET", "/api/admin/teacher-statements", claims=ADMIN))["lines"]
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(line["amount"]) == Decimal("50.00")
    assert sum(int(row["billedSeconds"]) for row in rows) == Decimal(line["billedMinutes"]) * 60
    assert Decimal(line["billedUnits"]) * Decimal(line["rate"]) == Decimal(line["amount"])
    assert [row["correctionReason"] for row in rows if row["correctedBy"]] == ["fire alarm"]


async def test_a_correction_is_billed_and_the_measured_value_stays(api, make_link):
    """With who, when and why."""
    lesson = await hold(api, make_link, 600)
    path = f"{SESSIONS}/{lesson['id']}"
    assert (await api("PATCH", path, {"durationMinutes": 60, "reason": "x"}, claims=TEACHER))[0] == 403
    row = await api.data("PATCH", path, {"durationMinutes": 60, "reason": "lost connection"}, claims=ADMIN)
    assert (row["durationSeconds"], row["billedFromSeconds"]) == (600, 3_600)
    assert (row["corrections"][0]["by"], row["corrections"][0]["reason"]) == ("boss", "lost connection")
    statement = await api.data("GET", "/api/admin/teacher-statements", claims=ADMIN)
    assert statement["totals"] == {"EUR": "40.00"}
    (line,) = statement["lines"]
    assert (line["correctedSessions"], line["countedSeconds"], line["measuredSeconds"]) == (1, 3_600, 600)


async def test_a_closed_month_never_changes(api, make_link):
    """It cannot be closed while it lasts; afterwards neither corrections nor new rates move it."""
    lesson = await hold(api, make_link, 3_600)
    close = ("POST", "/api/admin/teacher-statements/close", {"month": "2026-11"})
    assert (await api(*close, claims=ADMIN))[0] == 409
    api.clock.at += 11 * 86_400
    closed = await api.data(*close, claims=ADMIN)
    assert (closed["closed"], closed["totals"]) == (True, {"EUR": "40.00"})
    status, _ = await api("PATCH", f"{SESSIONS}/{lesson['id']}", {"durationMinutes": 1, "reason": "x"}, claims=ADMIN)
    assert status == 409
    assert await api.data("GET", "/api/admin/teacher-statements?month=2026-11", claims=ADMIN) == closed


async def test_a_month_is_not_closed_while_a_lesson_of_it_is_on(api, make_link):
    """Else it would be billed nowhere; a page that was closed a moment ago may be back."""
    token = await at_midnight(api, make_link, 600)
    close = ("POST", "/api/admin/teacher-statements/close", {"month": "2026-11"})
    api.clock.at = DECEMBER + 5
    assert (await api(*close, claims=ADMIN))[0] == 409
    await track(api, "end-session", token, reason="pageClose")
    assert (await api(*close, claims=ADMIN))[0] == 409
    await track(api, "heartbeat", token)
    api.clock.at = DECEMBER + 1_800
    await track(api, "end-session", token)
    closed = await api.data(*close, claims=ADMIN)
    assert [(line["measuredSeconds"], line["amount"]) for line in closed["lines"]] == [(2_400, "30.00")]


async def test_a_report_later_than_the_closing_changes_no_bill(api, make_link):
    """Row and statement go on to say the same."""
    link_token = await at_midnight(api, make_link, 3_600)
    (row,) = await sessions(api)
    api.clock.at = DECEMBER + 8_000
    assert (await api.data("POST", "/api/admin/auto-timeout", claims=ADMIN))["timedOut"] == 1
    close = ("POST", "/api/admin/teacher-statements/close", {"month": "2026-11"})
    closed = await api.data(*close, claims=ADMIN)
    start = DECEMBER - 3_600
    late = {
        "kind": "tutoring", "sessionId": row["id"], "intervalId": "i1", "node": "n1", "boot": 1, "version": 2,
        "startedAt": rfc3339(at(start)), "lastSeenAt": rfc3339(at(start + 900)), "closedAt": rfc3339(at(start + 900)),
        "reason": "button", "linkId": row["id"],
    }  # fmt: skip
    await api.data("POST", "/internal/v1/sessions", {"intervals": [late]})
    assert await api.data("GET", "/api/admin/teacher-statements?month=2026-11", claims=ADMIN) == closed
    (after,) = await sessions(api, "?from=2026-11-01&to=2026-11-30")
    assert (after["sessionStatus"], after["durationSeconds"]) == ("timeout", 0)
    assert (await track(api, "heartbeat", link_token))[1]["data"]["status"] == "timeout"
    await track(api, "end-session", link_token, reason="button")
    (after,) = await sessions(api, "?from=2026-11-01&to=2026-11-30")
    assert (after["sessionStatus"], after["durationSeconds"]) == ("timeout", 0)


async def test_every_old_month_is_closed(open_mongo, clock):
    """The job closes what ended more than a day ago, back to the oldest lesson; older ones that are added late, too."""
    mongo = open_mongo()
    store = LessonStore(mongo, clock)
    months = Months(mongo, store, "UTC", clock)
    await store.add(lesson(1, clock() - 100 * 86_400))
    await months.close_due()
    assert [await is_closed(months, month) for month in OLD] == [False, True, True, True, False]
    await store.add(lesson(2, clock() - 125 * 86_400))
    await months.close_due()
    assert [await is_closed(months, month) for month in OLD] == [True, True, True, True, False]
    assert (await months.statement("2026-08", None)).lines[0].amount == Decimal("20.00")


async def is_closed(months, month):
    return (await months.statement(month, None)).closed


async def test_a_statement_that_was_closed_before_corrections_were_counted_is_read(open_mongo, clock):
    """It stays as it was: nobody knows any more how many were corrected."""
    mongo = open_mongo()
    months = Months(mongo, LessonStore(mongo, clock), "UTC", clock)
    await LessonStore(mongo, clock).add(lesson(1, clock() - 100 * 86_400))
    await months.close_due()
    unset = {"$unset": {"lines.0.countedSeconds": "", "lines.0.correctedSessions": ""}}
    await mongo[STATEMENTS].update_one({"_id": "2026-08|t1"}, unset)
    (line,) = (await months.statement("2026-08", None)).lines
    assert (line.counted_seconds, line.measured_seconds, line.corrected_sessions) == (1_800, 1_800, None)
