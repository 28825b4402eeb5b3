"""Listening on the whole backend, over HTTP, with moved time."""

import csv
import io
import json

import pytest

from backend_api.contract.wire import at, rfc3339
from tests.backend_api.listening.conftest import INTERNAL, reported

TIME = "/analytics/channels/c1/listening-time?period="
START = {"channelId": "c1", "listenerId": "l1"}
GUEST: dict[str, str] = {}


async def started(api, body=START, headers=GUEST):
    return await api.data("POST", "/listening-sessions", body, headers=headers)


async def test_a_guest_starts_beats_and_ends_with_the_token(api, clock):
    """Server time counts; the client's number is kept beside it, and the difference shows."""
    session = await started(api)
    assert session["status"] == "active"
    path, token = f"/listening-sessions/{session['id']}", session["sessionToken"]
    for _ in range(3):
        clock.at += 60
        beat = {"durationSeconds": 90_000, "sessionToken": token}
        assert (await api.data("PATCH", path, beat, headers=GUEST))["status"] == "active"
    clock.at += 20
    end = {"durationSeconds": 90_000, "sessionToken": token}
    answer = await api.data("POST", f"{path}/end", headers=GUEST, text=json.dumps(end))
    assert (answer["durationSeconds"], answer["status"]) == (200, "completed")
    clock.at += 500
    assert await api.data("POST", f"{path}/end", end, headers=GUEST) == answer
    (listed,) = (await api.data("GET", "/listening-sessions?channelId=c1"))["sessions"]
    assert (listed["durationSeconds"], listed["clientDurationSeconds"], listed["differenceSeconds"]) == (
        200, 90_000, 89_800,
    )  # fmt: skip
    status, problem = await api("PATCH", path, {"sessionToken": token}, headers=GUEST)
    assert (status, problem["session"]["id"]) == (409, session["id"])


@pytest.mark.parametrize("odd", ["-1", '"x"', "1e400", "null", "{}"])
async def test_what_a_page_believes_never_keeps_a_session_on(api, clock, odd):
    """A beacon's odd number is passed over, its end counts."""
    session = await started(api)
    clock.at += 100
    text = f'{{"sessionToken": "{session["sessionToken"]}", "durationSeconds": {odd}}}'
    ended = await api.data("POST", f"/listening-sessions/{session['id']}/end", headers=GUEST, text=text)
    assert (ended["status"], ended["durationSeconds"]) == ("completed", 100)


async def test_the_list_has_the_rows_of_the_table(api, clock):
    """Also those that began before the range and reach into it; the counted seconds are the total's, page by page."""
    start, stays = clock() - 3_600, [(0, 600, "a"), (300, 1_500, "a"), (900, 2_000, "b"), (1_900, 2_400, "b")]
    for number, (begin, end, who) in enumerate(stays):
        await api.report(reported(f"s{number}", start + begin, start + end, reason="stop", userId=who))
    await api.report(reported("old", start - 900, start - 400, reason="stop", userId="a"))
    first, last = (rfc3339(at(start + moment)) for moment in (500, 2_300))
    rows, cursor = [], ""
    while cursor is not None:
        path = f"/listening-sessions?channelId=c1&from={first}&to={last}&limit=2{cursor and f'&cursor={cursor}'}"
        page = await api.data("GET", path)
        rows += [(one["id"], one["countedSeconds"]) for one in page["sessions"]]
        cursor = page["nextCursor"]
    text = await api.data("GET", f"/listening-sessions.csv?channelId=c1&from={first}&to={last}")
    table = [(row["id"], int(row["countedSeconds"])) for row in csv.DictReader(io.StringIO(text))]
    assert rows == table[::-1] == [("s3", 300), ("s2", 1_100), ("s1", 900), ("s0", 100)]
    report = await api.data("GET", f"/analytics/channels/c1/listeners?from={first}&to={last}")
    assert sum(seconds for _, seconds in rows) == report["totalSeconds"] == 2_400


async def test_completed_ends_a_session_once(api, clock):
    """On one that is over it is a conflict, with the record."""
    session = await started(api)
    path = f"/listening-sessions/{session['id']}"
    body = {"sessionToken": session["sessionToken"], "status": "completed"}
    clock.at += 60
    assert (await api.data("PATCH", path, body, headers=GUEST))["durationSeconds"] == 60
    status, problem = await api("PATCH", path, body, headers=GUEST)
    assert (status, problem["session"]["durationSeconds"]) == (409, 60)


async def test_over_http_a_reload_goes_on_with_its_session(api, clock):
    """A page that closes may be back within fifteen seconds; after that it is a new one."""
    session = await started(api)
    path, token = f"/listening-sessions/{session['id']}", {"sessionToken": session["sessionToken"]}
    closing = json.dumps(token | {"reason": "pageClose"})
    clock.at += 60
    await api.data("POST", f"{path}/end", headers=GUEST, text=closing)
    clock.at += 10
    assert (await api.data("PATCH", path, token, headers=GUEST))["status"] == "active"
    clock.at += 30
    await api.data("POST", f"{path}/end", headers=GUEST, text=closing)
    clock.at += 20
    await api.lease()
    status, problem = await api("PATCH", path, token, headers=GUEST)
    assert (status, problem["session"]["status"], problem["session"]["durationSeconds"]) == (409, "completed", 100)


async def test_silence_is_a_timeout_at_the_last_beat(api, clock):
    """However late it is noticed: no sweep was needed, and a late beat gets 409."""
    session = await started(api)
    path, token = f"/listening-sessions/{session['id']}", {"sessionToken": session["sessionToken"]}
    clock.at += 100
    await api.data("PATCH", path, token, headers=GUEST)
    clock.at += 151
    status, problem = await api("PATCH", path, token, headers=GUEST)
    assert status == 409
    assert (problem["session"]["status"], problem["session"]["durationSeconds"]) == ("timeout", 100)
    assert (await api.data("GET", TIME + "today"))["totalSeconds"] == 100


async def test_the_id_alone_never_suffices(api):
    """A guest without the token 401, with another session's 401; another user 403; the owner's Bearer is enough."""
    mine, other = await started(api), await started(api)
    path = f"/listening-sessions/{mine['id']}"
    assert (await api("PATCH", path, {}, headers=GUEST))[0] == 401
    assert (await api("POST", f"{path}/end", {"sessionToken": other["sessionToken"]}, headers=GUEST))[0] == 401
    assert (await api("POST", f"{path}/end", {"sessionToken": "é.x"}, headers=GUEST))[0] == 401
    assert (await api("PATCH", path, {}, headers=api.user("u1")))[0] == 403
    users = await started(api, headers=api.user("u1"))
    path = f"/listening-sessions/{users['id']}"
    assert (await api("PATCH", path, {}, headers=api.user("u2")))[0] == 403
    assert (await api.data("PATCH", path, {}, headers=api.user("u1")))["userId"] == "u1"
    assert (await api("PATCH", "/listening-sessions/none", {}, headers=api.user("u1")))[0] == 404


async def test_only_the_owner_and_admins_read_a_channel(api):
    """Another owner 403, nobody 401; everybody their own history."""
    for path in (TIME + "today", "/analytics/channels/c1/listeners", "/listening-sessions?channelId=c1"):
        assert (await api("GET", path, headers=api.user("o", "station_owner", channels=["c2"])))[0] == 403
        assert (await api("GET", path, headers=GUEST))[0] == 401
        assert (await api("GET", path, headers=api.user("o", "station_owner", channels=["c1"])))[0] == 200
        assert (await api("GET", path, headers=api.user("a", "admin")))[0] == 200
    await started(api, headers=api.user("u1"))
    own = await api.data("GET", "/listening-sessions?mine=1", headers=api.user("u1"))
    assert [session["userId"] for session in own["sessions"]] == ["u1"]
    assert (await api.data("GET", "/listening-sessions?mine=1", headers=api.user("u2")))["sessions"] == []


async def test_a_period_begins_at_the_channels_midnight(api, clock):
    """Only the part of a session that lies in the period counts; `tz` overrides the channel's zone."""
    await api.data("PUT", "/api/channels/c1", {"name": "Radio One", "timezone": "Asia/Kolkata"})
    clock.at += 8 * 3600  # 18:30 UTC on Saturday: in Kolkata Sunday begins
    now = clock()
    await api.lease()
    await api.report(reported("s1", now - 3600, now - 1800), reported("s2", now - 600, now + 300, listenerId="l9"))
    clock.at += 900
    today = await api.data("GET", TIME + "today")
    assert (today["totalSeconds"], today["totalSessions"], today["totalListeningTime"]) == (300, 1, "0h 5m")
    assert (await api.data("GET", TIME + "today&tz=UTC"))["totalSeconds"] == 1800 + 900
    for period in ("week", "month", "all_time"):
        assert (await api.data("GET", TIME + period))["totalSeconds"] == 2700


async def test_overlaps_of_one_listener_count_once_and_the_csv_adds_up(api, clock):
    """Two tabs of a person are one listener's time; the table's counted seconds are the total."""
    now = clock()
    await api.lease()
    await api.report(
        reported("s1", now - 1000, now - 400, userId="=cmd", listenerId="l1"),
        reported("s2", now - 700, now - 100, userId="=cmd"),
        reported("s3", now - 700, now - 650, listenerId="l2"),
    )
    total = await api.data("GET", TIME + "today")
    assert (total["totalSeconds"], total["uniqueListeners"], total["totalSessions"]) == (950, 2, 3)
    table = await api.data("GET", "/listening-sessions.csv?channelId=c1")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [int(row["countedSeconds"]) for row in rows] == [600, 300, 50]
    assert {row["userId"] for row in rows} == {"'=cmd", ""}
    report = await api.data("GET", "/analytics/channels/c1/listeners")
    assert sum(hour["seconds"] for hour in report["hours"]) == report["totalSeconds"] == 950
    assert (report["users"]["seconds"], report["guests"]["seconds"]) == (900, 50)
    assert sum(bucket["sessions"] for bucket in report["durations"]) == 3


async def test_reports_are_answered_one_by_one(api, clock):
    """An invalid interval says what is wrong and spoils nothing; a repetition changes nothing."""
    good, bad = reported("s1", clock() - 60), reported("s2", clock() - 60) | {"closedAt": "2026-11-21T10:30:00Z"}
    results = await api.report(good, bad, {"kind": "x"}, good)
    assert [result["status"] for result in results] == ["saved", "invalid", "invalid", "saved"]
    assert len((await api.data("GET", "/listening-sessions?channelId=c1"))["sessions"]) == 1
    assert (await api("POST", "/internal/v1/sessions", {"intervals": []}, headers=api.user("a", "admin")))[0] == 403


async def test_devices_and_quality_are_in_the_report(api, clock):
    """The device comes from the user agent, which is not kept."""
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148"
    now = clock()
    quality = {"buffering": 3, "reconnects": 1, "bitrate": 128_000}
    await api.report(reported("s1", now - 100, now - 40, userAgent=phone, quality=quality, address="192.0.2.1"))
    report = await api.data("GET", "/analytics/channels/c1/listeners")
    assert report["devices"] == [{"name": "mobile", "listeners": 1, "sessions": 1, "seconds": 60}]
    assert report["quality"] == {
        "buffering": 3, "reconnects": 1, "sessionsWithBuffering": 1, "averageBitrate": 128_000,
    }  # fmt: skip


async def test_pages_follow_each_other_without_gaps(api, clock):
    """Latest first, active ones too, also where several began in the same moment."""
    now = clock()
    await api.lease()
    await api.report(
        *(reported(f"s{n}", now - 100 - n // 3, None if n % 4 else now - 50, version=1) for n in range(10))
    )
    found, cursor = [], ""
    while cursor is not None:
        page = await api.data("GET", f"/listening-sessions?channelId=c1&limit=3{cursor}")
        found += [session["id"] for session in page["sessions"]]
        cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
    assert sorted(found) == sorted(f"s{n}" for n in range(10))
    assert len(found) == 10
    assert (await api("GET", "/listening-sessions?channelId=c1&cursor=%21%21"))[0] == 422


async def test_guests_are_limited_by_address(api):
    """Sixty starts a minute; then 429 with Retry-After. A user has a share of their own, as large."""
    for _ in range(60):
        await started(api)
    status, _ = await api("POST", "/listening-sessions", START, headers=GUEST)
    assert status == 429
    await started(api, headers=api.user("u1"))


async def test_a_start_with_a_field_that_nobody_knows_is_refused(api):
    """422 with its name, so that a misspelt one is noticed; an end, which may be a beacon, counts whatever is in it."""
    status, problem = await api("POST", "/listening-sessions", START | {"showID": "s1"}, headers=GUEST)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["#/showID"])
    session = await started(api)
    claim = {"sessionToken": session["sessionToken"], "showID": "s1"}
    assert (await api("POST", f"/listening-sessions/{session['id']}/end", claim, headers=GUEST))[0] == 200


@pytest.mark.parametrize(
    "query", ["from=2026-11-22&to=2026-11-20", "from=1999-01-01", "tz=Nowhere", "from=x", "limit=0", "mine=2", "q=1"]
)
async def test_a_question_that_makes_no_sense_is_refused(api, query):
    """422 with the field."""
    status, problem = await api("GET", f"/listening-sessions?channelId=c1&{query}", headers=INTERNAL)
    assert (status, bool(problem["errors"])) == (422, True)
