"""A lesson over HTTP, from the link to the statement."""

import json

import pytest

from backend_api.contract.signing import ALL_SCOPES, derive_key, sign
from backend_api.contract.wire import at, rfc3339
from tests.backend_api.tutoring.calls import (
    ADMIN,
    MEETING,
    OTHER_TEACHER,
    SEND,
    SESSIONS,
    TEACHER,
    hold,
    sessions,
    track,
)


async def test_a_lesson_from_the_link_to_the_statement(api, make_link, telegram):
    """Sent, started, ended: the duration to the second, billed by the package's rule."""
    link = await make_link()
    assert link["delivered"] is True
    ((_, message),) = telegram.messages
    assert message["chat_id"] == "4711"
    assert message["link_preview_options"] == {"is_disabled": True}
    assert message["reply_markup"]["inline_keyboard"][0][0]["url"] == link["trackingUrl"]
    assert link["trackingUrl"] == f"https://lessons.test/api/zoom/track?token={link['trackingToken']}"

    status, answer = await track(api, "start", link["trackingToken"])
    assert status == 200
    assert answer["data"]["link"] == MEETING
    api.clock.at += 1_801
    _, answer = await track(api, "end-session", link["trackingToken"], duration=90_000, endTime="2099-01-01T00:00:00Z")
    assert answer["data"]["durationSeconds"] == 1_801
    assert answer["data"]["sessionDurationMinutes"] == 30

    (row,) = await sessions(api)
    assert (row["studentName"], row["teacherName"], row["sessionStatus"]) == ("Sam", "Tara", "ended")
    assert (row["endReason"], row["clientDurationMinutes"], row["packageRate"]) == ("button", 90_000, "40")
    statement = await api.data("GET", "/api/admin/teacher-statements", claims=ADMIN)
    (line,) = statement["lines"]
    assert (line["measuredSeconds"], line["billedMinutes"], line["amount"]) == (1_801, "45", "30.00")
    assert statement["totals"] == {"EUR": "30.00"}


async def test_starting_again_changes_nothing(api, make_link):
    """One token, one session: the second start gives the way back to the same meeting."""
    token = (await make_link())["trackingToken"]
    _, first = await track(api, "start", token)
    api.clock.at += 60
    _, second = await track(api, "start", token)
    assert second["data"]["clickedAt"] == first["data"]["clickedAt"]


async def test_after_the_end_a_start_is_refused(api, make_link):
    """Over is over; ending again answers the same."""
    token = (await make_link())["trackingToken"]
    assert (await track(api, "end-session", token))[0] == 409
    await track(api, "start", token)
    api.clock.at += 600
    _, first = await track(api, "end-session", token)
    api.clock.at += 600
    assert (await track(api, "start", token))[0] == 409
    _, again = await track(api, "end-session", token)
    assert {**again["data"], "serverTime": 0} == {**first["data"], "serverTime": 0}


async def test_a_reload_is_no_end(api, make_link):
    """The page says that it closes and is back: still one lesson, counted from its start."""
    token = (await make_link())["trackingToken"]
    await track(api, "start", token)
    api.clock.at += 600
    _, closed = await api(
        "POST", "/api/zoom/end-session", text=json.dumps({"token": token, "reason": "pageClose"}), key=None
    )
    assert closed["data"]["status"] == "ended"
    api.clock.at += 2
    _, back = await track(api, "heartbeat", token)
    assert back["data"]["status"] == "active"
    api.clock.at += 600
    await track(api, "end-session", token)
    (row,) = await sessions(api)
    assert row["durationSeconds"] == 1_202


async def test_a_closed_page_that_stays_away_has_ended_the_lesson(api, make_link):
    """Later than the grace nothing brings it back."""
    token = (await make_link())["trackingToken"]
    await track(api, "start", token)
    api.clock.at += 600
    await track(api, "end-session", token, reason="pageClose")
    api.clock.at += 120
    _, late = await track(api, "heartbeat", token)
    assert (late["data"]["status"], late["data"]["durationSeconds"]) == ("ended", 600)


async def test_silence_ends_a_lesson_at_its_last_sign_of_life(api, make_link):
    """Two hours later, and not two hours longer."""
    token = (await make_link())["trackingToken"]
    await track(api, "start", token)
    api.clock.at += 900
    await track(api, "heartbeat", token)
    api.clock.at += 7_100
    assert (await api.data("POST", "/api/admin/auto-timeout", claims=ADMIN))["timedOut"] == 0
    api.clock.at += 200
    assert (await api.data("GET", "/api/cron/session-timeout"))["timedOut"] == 1
    (row,) = await sessions(api)
    assert (row["sessionStatus"], row["endReason"], row["durationSeconds"]) == ("timeout", "timeout", 900)


async def test_looking_at_a_link_starts_nothing(api, make_link):
    """A beat of a page that was only opened leaves the lesson pending."""
    token = (await make_link())["trackingToken"]
    status, answer = await track(api, "heartbeat", token)
    assert (status, answer["data"]["status"]) == (200, "pending")
    assert "link" not in answer["data"]
    assert (await sessions(api))[0]["clickedAt"] is None


@pytest.mark.parametrize("token", ["x", "A" * 80, "é", "{}"])
async def test_a_forged_token_opens_nothing(api, token):
    """401 on every path."""
    for action in ("start", "heartbeat", "end-session"):
        assert (await track(api, action, token))[0] == 401


async def test_an_expired_link_starts_nothing_but_a_lesson_may_outlast_it(api, make_link):
    """The expiry is for the first click."""
    late, running = await make_link(), await make_link()
    api.clock.at += 86_000
    await track(api, "start", running["trackingToken"])
    api.clock.at += 1_000
    assert (await track(api, "start", late["trackingToken"]))[0] == 409
    assert (await track(api, "heartbeat", running["trackingToken"]))[1]["data"]["status"] == "active"
    assert (await track(api, "end-session", running["trackingToken"]))[1]["data"]["durationSeconds"] == 1_000


async def test_a_teacher_sends_to_own_students_only(api):
    """Another's student is 403, and so are fields that only services may set; no token comes back."""
    status, answer = await api("POST", SEND, {"link": MEETING, "packageId": "hours"}, claims=TEACHER)
    assert status == 201
    assert set(answer["data"]) == {"id", "sentTime", "delivered"}
    assert (await api("POST", SEND, {"link": MEETING}, claims=OTHER_TEACHER))[0] == 403
    assert (await api("POST", SEND, {"link": MEETING, "packageRate": "1"}, claims=TEACHER))[0] == 403
    assert (await api("POST", SEND, {"link": MEETING}, claims={"sub": "x", "roles": ["user"]}))[0] == 403
    assert (await api("POST", SEND, {"link": MEETING}, key=None))[0] == 401


@pytest.mark.parametrize(
    "link",
    ["http://zoom.us/j/1", "https://evil.test/j/1", "https://zoom.us.evil.test/", "https://u@zoom.us/",
     "javascript:alert(1)",
     "https://zoom.us\\@evil.test/", "https://xzoom.us/", "https://zoom.us:444/", "https://[::1", "https://zoom.us/\n"],
)  # fmt: skip
async def test_a_link_leads_to_a_meeting_provider(api, link):
    """Nothing but https and a host on the list, or 422."""
    assert (await api("POST", SEND, {"link": link, "teacherId": "t1"}))[0] == 422


async def test_a_teacher_sees_own_sessions_only(api, make_link):
    """Asking for another's is 403."""
    await make_link()
    assert len((await api.data("GET", SESSIONS, claims=TEACHER))["sessions"]) == 1
    assert (await api.data("GET", SESSIONS, claims=OTHER_TEACHER))["sessions"] == []
    assert (await api("GET", f"{SESSIONS}?teacher=t1", claims=OTHER_TEACHER))[0] == 403
    assert (await api("GET", "/api/admin/teacher-statements?teacher=t1", claims=OTHER_TEACHER))[0] == 403
    assert (await api("DELETE", "/api/teachers/links/nope", claims=TEACHER))[0] == 404


async def test_a_link_can_be_cancelled_until_it_is_opened(api, make_link):
    """Then it opens nothing; an opened one stays."""
    pending, opened = await make_link(), await make_link()
    await track(api, "start", opened["trackingToken"])
    assert (await api("DELETE", f"/api/teachers/links/{pending['id']}", claims=OTHER_TEACHER))[0] == 403
    assert (await api.data("DELETE", f"/api/teachers/links/{pending['id']}", claims=TEACHER))[
        "sessionStatus"
    ] == "cancelled"
    assert (await track(api, "start", pending["trackingToken"]))[0] == 409
    assert (await api("DELETE", f"/api/teachers/links/{opened['id']}", claims=TEACHER))[0] == 409


async def test_a_link_that_is_sent_again_is_the_same(api, make_link, telegram):
    """The token is made again, not kept."""
    link = await make_link()
    api.clock.at += 60
    again = await api.data("POST", f"/api/teachers/links/{link['id']}/resend")
    assert again["trackingToken"] == link["trackingToken"]
    assert len(telegram.messages) == 2


async def test_a_link_is_sent_again_by_who_teaches_the_student_now(api, make_link, telegram):
    """To the chat of today; whoever no longer teaches them is refused."""
    link = await make_link()
    resend = ("POST", f"/api/teachers/links/{link['id']}/resend")
    student = {"name": "Sam", "chatId": "999", "teacherIds": ["t1"]}
    await api.data("PUT", "/api/students/s1", student)
    await api.data(*resend, claims=TEACHER)
    assert [message["chat_id"] for _, message in telegram.messages] == ["4711", "999"]
    await api.data("PUT", "/api/students/s1", student | {"teacherIds": ["t2"]})
    assert (await api(*resend, claims=TEACHER))[0] == 403


async def test_a_link_for_somebody_who_is_not_registered_is_sent_again(api, telegram):
    """By the teacher it was made for, to the chat it was made with."""
    link = await api.data(
        "POST", "/api/teachers/students/new/zoom", {"link": MEETING, "teacherId": "t1", "chatId": "9"}
    )
    api.clock.at += 60
    resend = ("POST", f"/api/teachers/links/{link['id']}/resend")
    assert (await api(*resend, claims=TEACHER))[0] == 200
    assert [message["chat_id"] for _, message in telegram.messages] == ["9", "9"]
    assert (await api(*resend, claims=OTHER_TEACHER))[0] == 403


async def test_a_repeated_signed_request_makes_one_link(api):
    """Inside the window a replay is answered with the link it made the first time."""
    body = json.dumps({"link": MEETING, "teacherId": "t1"}).encode()
    key = derive_key("k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe")
    assert key.scopes == ALL_SCOPES
    headers = sign(key, request_id="r1", timestamp=int(api.clock()), method="POST", target=SEND, body=body)
    answers = [
        await api("POST", SEND, text=body, key=None, headers=headers | {"Content-Type": "application/json"})
        for _ in "ab"
    ]
    assert [status for status, _ in answers] == [201, 201]
    assert answers[0][1]["data"]["id"] == answers[1][1]["data"]["id"]
    assert len(await sessions(api)) == 1


@pytest.mark.parametrize(
    "odd",
    ['"duration": -0.01', '"duration": "x"', '"duration": 1e400', '"duration": null', '"reason": null', '"reason": 7',
     '"endTime": {}', '"duration": 90000, "endTime": "2099-01-01T00:00:00Z"'],
)  # fmt: skip
async def test_what_a_page_believes_never_keeps_a_lesson_on(api, make_link, odd):
    """Nobody reads a beacon's answer: the end counts, an odd number in it does not."""
    token = (await make_link())["trackingToken"]
    await track(api, "start", token)
    api.clock.at += 600
    status, _ = await api("POST", "/api/zoom/end-session", text=f'{{"token": "{token}", {odd}}}', key=None)
    (row,) = await sessions(api)
    assert (status, row["sessionStatus"], row["durationSeconds"]) == (200, "ended", 600)


async def test_statistics_are_over_the_filter(api, make_link):
    """Totals, average and shares of everything that matches, not of the page."""
    await hold(api, make_link, 600)
    await hold(api, make_link, 1_200)
    await make_link()
    page = await api.data("GET", f"{SESSIONS}?limit=1&teacher=t1", claims=ADMIN)
    figures = page["statistics"]
    assert (figures["total"], figures["active"], figures["totalMinutes"], figures["averageMinutes"]) == (3, 0, 30, 15)
    assert figures["byStatus"]["ended"] == 2
    assert figures["perTeacher"] == [
        {"id": "t1", "name": "Tara", "sessions": 3, "totalSeconds": 1_800, "totalMinutes": 30}
    ]
    seen = [page["sessions"][0]["id"]]
    while page["nextCursor"]:
        page = await api.data("GET", f"{SESSIONS}?limit=1&cursor={page['nextCursor']}", claims=ADMIN)
        seen += [row["id"] for row in page["sessions"]]
    assert len(seen) == len(set(seen)) == 3
    assert len(await sessions(api, "?status=pending")) == 1
    assert await sessions(api, "?date=2026-11-20") == []
    assert len(await sessions(api, "?from=2026-11-20&to=2026-11-21&student=s1")) == 3


async def test_shares_add_up_to_the_total(api, make_link):
    """To the second, whatever the rounded minutes do."""
    for teacher, seconds in (("t1", 61), ("t2", 61), ("t3", 61)):
        link = await make_link(teacherId=teacher)
        await track(api, "start", link["trackingToken"])
        api.clock.at += seconds
        await track(api, "end-session", link["trackingToken"])
    figures = (await api.data("GET", SESSIONS, claims=ADMIN))["statistics"]
    for groups in (figures["perTeacher"], figures["perStudent"]):
        assert sum(group["totalSeconds"] for group in groups) == figures["totalSeconds"] == 183


async def test_a_teachers_day_has_what_is_open_from_before(api, make_link):
    """After midnight: the lesson that goes on, the link that still opens; not what is over, nor another's."""
    api.clock.at = (api.clock() // 86_400 + 1) * 86_400 - 600
    over, running, waiting = [await make_link() for _ in range(3)]
    await make_link(teacherId="t2")
    await track(api, "start", over["trackingToken"])
    await track(api, "end-session", over["trackingToken"])
    await track(api, "start", running["trackingToken"])
    api.clock.at += 1_200
    new = await make_link()
    listed = (await api.data("GET", "/api/teachers/sessions", claims=TEACHER))["sessions"]
    assert [row["id"] for row in listed] == [new["id"], running["id"], waiting["id"]]
    assert waiting["sentTime"] < listed[2]["expiresAt"]
    listed = (await api.data("GET", "/api/teachers/sessions?tz=America/New_York", claims=TEACHER))["sessions"]
    assert {row["id"] for row in listed} >= {over["id"], new["id"]}
    api.clock.at += 86_400
    await track(api, "heartbeat", running["trackingToken"])
    listed = (await api.data("GET", "/api/teachers/sessions", claims=TEACHER))["sessions"]
    assert waiting["id"] not in [row["id"] for row in listed]
    assert (await api("GET", "/api/teachers/sessions", claims=ADMIN))[0] == 403


@pytest.mark.parametrize(
    "query",
    [
        "?date=0001-01-01",
        "?to=9999-12-31",
        "?tz=Nowhere/Land",
        "?from=2026-01-02&to=2026-01-01",
        "?status=x",
        "?from=2020-01-01",
    ],
)
async def test_an_impossible_filter_is_refused(api, query):
    """422, never a 500."""
    assert (await api("GET", SESSIONS + query, claims=ADMIN))[0] == 422


async def test_a_cursor_of_somebody_else_is_refused(api):
    """422 for what we did not make: nonsense, a time that is none, one beyond all calendars."""
    for cursor in ("x", "bmFufHg", "MWU5OTl8eA", "MWUxMnx4"):
        assert (await api("GET", f"{SESSIONS}?cursor={cursor}", claims=ADMIN))[0] == 422


async def test_names_are_harmless_in_a_spreadsheet(api, make_link):
    """A name that is a formula comes out as text, minutes and rate as numbers."""
    await make_link(names={"student": "=HYPERLINK(1)", "teacher": "Tara"})
    status, text = await api("GET", f"{SESSIONS}.csv", claims=ADMIN)
    assert status == 200
    header, line, _ = text.split("\r\n")
    assert header.startswith("teacher,student,start,end,duration,status,package,rate,")
    assert line.startswith("Tara,'=HYPERLINK(1),,,,pending,Hours,40,")
    assert (await api("GET", "/api/admin/teacher-statements.csv", claims=ADMIN))[0] == 200


async def test_health_tells_how_tracking_stands(api, make_link):
    """Totals, and how many have been silent for too long."""
    token = (await make_link())["trackingToken"]
    await track(api, "start", token)
    api.clock.at += 7_300
    now = rfc3339(at(api.clock()))
    await api.data("POST", "/internal/v1/nodes", {"node": "n1", "boot": 1, "at": now, "completeThrough": now})
    await api.data("POST", "/listening-sessions", {"channelId": "c1"}, key=None)
    status, health = await api("GET", "/api/health/session-tracking")
    assert (status, health) == (200, {
        "database": "reachable", "totalSessions": 1, "activeSessions": 1, "staleSessions": 1, "timeoutSeconds": 7200,
        "live": {"listening": 1, "tutoring": 0, "study": 0}, "nodes": {"alive": 1, "silent": 0},
    })  # fmt: skip
    api.clock.at += 61
    _, health = await api("GET", "/api/health/session-tracking")
    assert health["nodes"] == {"alive": 0, "silent": 1}
    assert (await api("GET", "/api/health/session-tracking", claims=TEACHER))[0] == 403


async def test_an_unknown_package_or_a_nameless_teacher_is_refused(api):
    """422 with the field."""
    assert (await api("POST", SEND, {"link": MEETING, "teacherId": "t1", "packageId": "no"}))[0] == 422
    assert (await api("POST", SEND, {"link": MEETING}))[0] == 422
    assert (await api("POST", SEND, {"link": MEETING, "teacherId": "t1", "packageRate": "NaN"}))[0] == 422
    assert (await api("POST", SEND, {"link": MEETING, "teacherId": {"$gt": ""}}))[0] == 422


async def test_a_student_is_registered_with_a_package_that_exists(api):
    """422 with the field; nothing is changed."""
    student = {"name": "Sam", "teacherIds": ["t1"], "packageId": "hours"}
    status, answer = await api("PUT", "/api/students/s1", student | {"name": "Sven", "packageId": "gone"})
    assert (status, answer["errors"][0]["pointer"]) == (422, "#/packageId")
    (kept,) = (await api.data("GET", "/api/teachers/students", claims=TEACHER))["students"]
    assert (kept["name"], kept["packageId"]) == ("Sam", "hours")


async def test_a_teacher_in_a_hurry_waits(start_backend, telegram):
    """So many links in a minute, fewer to one student, resends counted too; then 429 with when to go on."""
    api = await start_backend(
        telegram={"bot_token": "123456:a-bot-token-of-tests", "base_url": telegram.url},
        tutoring={"links_per_minute": 5, "student_links_per_minute": 3},
    )
    for student in ("s1", "s2"):
        info = {"name": student, "chatId": "4711", "teacherIds": ["t1"]}
        await api.data("PUT", f"/api/students/{student}", info)

    async def send(path=SEND):
        return (await api("POST", path, {"link": MEETING}, claims=TEACHER))[0]

    first = await api.data("POST", SEND, {"link": MEETING}, claims=TEACHER)
    again = f"/api/teachers/links/{first['id']}/resend"
    assert [await send(again), await send(), await send(), await send(again)] == [200, 201, 429, 429]
    other = SEND.replace("s1", "s2")
    assert [await send(other), await send(other), await send(other)] == [201, 201, 429]
    assert len(telegram.messages) == 5
    assert int(api.headers["Retry-After"]) <= 12
    assert (await api("POST", SEND, {"link": MEETING, "teacherId": "t1"}))[0] == 201
    api.clock.at += 20
    assert await send() == 201
