"""The viewer endpoints on the whole program, over HTTP."""

import csv
import io

import pytest

from backend_api import db

VIEWERS = "/api/v1/auctions/demo/analytics/viewers"
SNAPSHOT = "/api/v1/auctions/demo/analytics/snapshot"
SETTINGS = "/api/v1/auctions/demo/settings"
BATCH = "/internal/v1/snapshots"
MINIMUM = {"viewerCount": 42, "avgViewers": 38.75, "peakViewers": 50}
PART = MINIMUM | {"room": "auction:demo", "node": "n1", "boot": 7, "timestamp": "2026-11-21T10:00:00Z"}


async def test_a_part_of_three_figures_is_saved_and_read_back(api):
    """No timestamp: the running minute; no minimum: the average; no sampleCount: twelve."""
    assert await api.data("POST", SNAPSHOT, MINIMUM) == {"saved": True}
    history = await api.data("GET", VIEWERS + "?timeRange=all")
    assert history["snapshots"] == [
        {"timestamp": "2026-11-21T10:30:00Z", "viewerCount": 42, "avgViewers": 38.75, "peakViewers": 50,
         "minViewers": 38, "sampleCount": 12}
    ]  # fmt: skip
    assert history["summary"] == {
        "totalSnapshots": 1, "overallPeak": 50, "overallAvg": 38.75, "overallMin": 38, "duration": 1,
        "viewerMinutes": 38.75,
    }  # fmt: skip
    assert history["resolution"] == "1m"


async def test_a_second_part_of_the_minute_and_one_of_a_disabled_room_are_not_saved(api):
    """200 with the reason; rooms and auctions are the same thing by two names."""
    await api.data("POST", SNAPSHOT, MINIMUM)
    by_room = SNAPSHOT.replace("auctions/demo", "rooms/auction:demo")
    assert await api.data("POST", by_room, MINIMUM) == {"saved": False, "reason": "duplicate"}
    off = {"enableViewerAnalytics": False}
    assert await api.data("PATCH", SETTINGS, off) == off
    assert await api.data("GET", SETTINGS.replace("auctions/demo", "rooms/auction:demo")) == off
    assert await api.data("POST", SNAPSHOT, MINIMUM) == {"saved": False, "reason": "disabled"}


async def test_a_batch_is_answered_part_by_part(api):
    """An invalid part is told what is wrong with it and spoils nothing."""
    parts = [
        PART,
        PART | {"peakViewers": 1},
        {"room": "nonsense"},
        17,
        PART,
        PART | {"timestamp": "2027-01-01T00:00:00Z"},
        PART | {"timestamp": "9999-12-31T23:59:59-14:00"},
    ]
    results = (await api.data("POST", BATCH, {"snapshots": parts}))["results"]
    statuses = ["saved", "invalid", "invalid", "invalid", "duplicate", "invalid", "invalid"]
    assert [result["status"] for result in results] == statuses
    assert all(result["errors"] for result in results if result["status"] == "invalid")
    assert results[1]["errors"] == ["avgViewers must not be above peakViewers"]
    assert any(error.startswith("avgViewers: ") for error in results[2]["errors"])


async def test_a_thousand_parts_are_taken_and_one_more_is_not(api):
    """The whole batch is refused before anything is written."""
    parts = [PART | {"room": f"auction:{number}"} for number in range(1_001)]
    status, problem = await api("POST", BATCH, {"snapshots": parts})
    assert status == 422
    assert problem["errors"][0]["pointer"] == "#/snapshots"
    results = (await api.data("POST", BATCH, {"snapshots": parts[:1_000]}))["results"]
    assert [result["status"] for result in results] == ["saved"] * 1_000


async def test_an_item_with_countless_faults_is_told_a_few(api):
    """Neither its errors nor a name in them fill the answer."""
    endless = {f"x{number}": 0 for number in range(200_000)}
    wrong = {name: [] for name in ("room", "viewerCount", "avgViewers", "peakViewers", "node", "boot", "part")}
    parts = [PART | endless, PART | {"y" * 10_000: 0}, wrong, PART]
    results = (await api.data("POST", BATCH, {"snapshots": parts}))["results"]
    assert [result["status"] for result in results] == ["invalid"] * 3 + ["saved"]
    assert results[0]["errors"] == ["200000 values are wrong or unknown"]
    assert [len(result["errors"]) for result in results[1:3]] == [1, 5]
    assert max(len(error) for result in results[:3] for error in result["errors"]) <= 200


async def test_countless_unknown_fields_are_only_counted(api):
    """To name them all would take a second in which nobody else is answered."""
    status, problem = await api("POST", BATCH, {f"x{number}": 0 for number in range(200_000)})
    assert (status, "errors" in problem) == (422, False)
    assert "200001 errors" in problem["detail"]


@pytest.mark.parametrize("body", [{}, {"snapshots": {}}, {"snapshots": [], "more": 1}, [], None, "x"])
async def test_a_body_that_is_no_batch_is_refused(api, body):
    """422 with the field, never a failure."""
    status, problem = await api("POST", BATCH, body)
    assert (status, problem["status"]) == (422 if body is not None else 415, status)


@pytest.mark.parametrize(
    "query",
    ["timeRange=2h", "resolution=2m", "from=yesterday", "from=2026-11-22&to=2026-11-21", "timeRange=1h&from=2026-11-21",
     "tz=Nowhere/X", "tz=../../etc/passwd", "tz=America", "from=0001-01-01", "from=9999-12-31T23:59:59Z",
     "timeRange=90d&resolution=1m", "surprise=1", "from=2026-11-21T10:00:00%2B99:00", "to=2026-02-30", "tz=",
     "from=2026-W47-5", "from=2026W475", "from=20261120", "from=20261120T100000Z", "tz=localtime"],
)  # fmt: skip
async def test_a_query_that_cannot_be_answered_is_refused_by_field(api, query):
    """A clear 422 that names it."""
    status, problem = await api("GET", f"{VIEWERS}?{query}")
    assert status == 422, problem
    assert problem["errors"][0]["pointer"].startswith("#")


async def test_a_resolution_that_is_too_fine_is_refused_with_the_one_to_take(api):
    """The answer says what would do."""
    _, problem = await api("GET", VIEWERS + "?timeRange=90d&resolution=5m")
    assert "take 15m or coarser" in problem["detail"]


async def test_a_range_by_its_ends_and_days_of_a_time_zone(api):
    """A day of Kolkata begins at half past six in the evening, UTC."""
    for moment in ("2026-11-19T18:29:00Z", "2026-11-19T18:30:00Z", "2026-11-20T18:29:00Z", "2026-11-20T18:30:00Z"):
        await api.data("POST", BATCH, {"snapshots": [PART | {"timestamp": moment}]})
    query = "?from=2026-11-20&to=2026-11-20&tz=Asia/Kolkata&resolution=1d"
    history = await api.data("GET", VIEWERS + query)
    assert [point["timestamp"] for point in history["snapshots"]] == ["2026-11-19T18:30:00Z"]
    assert (history["summary"]["totalSnapshots"], history["summary"]["duration"]) == (2, 1440)


async def test_a_room_without_history_is_empty_and_not_an_error(api):
    """Zeros, over any range."""
    for query in ("", "?timeRange=30d", "?from=2026-11-01&to=2026-11-02", "?to=2026-01-01"):
        history = await api.data("GET", "/api/v1/rooms/call:nobody/analytics/viewers" + query)
        assert history["snapshots"] == []
        assert history["summary"] | {"duration": 0} == dict.fromkeys(history["summary"], 0)


async def test_the_same_history_as_a_table(api):
    """Header and rows of the points; the byte order mark on request."""
    await api.data("POST", SNAPSHOT, MINIMUM)
    status, text = await api("GET", VIEWERS + ".csv?timeRange=1h")
    assert status == 200
    assert api.headers["Content-Disposition"] == 'attachment; filename="viewers-auction-demo.csv"'
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["timestamp", "viewerCount", "avgViewers", "peakViewers", "minViewers", "sampleCount"],
        ["2026-11-21T10:30:00Z", "42", "38.75", "50", "38", "12"],
    ]
    assert (await api("GET", VIEWERS + ".csv?timeRange=1h&bom=1"))[1].startswith("\ufefftimestamp")
    assert (await api("GET", VIEWERS + ".csv?resolution=nonsense"))[0] == 422


async def test_a_table_of_minutes_may_be_longer_than_a_chart(api):
    """Ninety days of minutes are too many points for JSON; as CSV they are read in pieces."""
    stamps = [f"2026-11-{day:02}T23:59:00Z" for day in range(15, 21)]
    await api.data("POST", BATCH, {"snapshots": [PART | {"timestamp": stamp} for stamp in stamps]})
    _, text = await api("GET", VIEWERS + ".csv?timeRange=90d&resolution=1m")
    assert [row.partition(",")[0] for row in text.splitlines()[1:]] == stamps


async def test_rooms_that_have_history_are_listed_in_pages_and_as_a_table(api):
    """By prefix and text, for admins and internal readers."""
    names = [f"auction:{number}" for number in range(5)]
    await api.data("POST", BATCH, {"snapshots": [PART | {"room": name} for name in [*names, "call:1"]]})
    page = await api.data("GET", "/api/v1/rooms?prefix=auction:&limit=3")
    assert [room["room"] for room in page["rooms"]] == names[:3]
    rest = await api.data("GET", f"/api/v1/rooms?prefix=auction:&limit=3&cursor={page['nextCursor']}")
    assert ([room["room"] for room in rest["rooms"]], rest["nextCursor"]) == (names[3:], None)
    table = (await api("GET", "/api/v1/rooms.csv?q=all:"))[1]
    assert table.splitlines() == ["room,firstAt,lastAt", "call:1,2026-11-21T10:00:00Z,2026-11-21T10:00:00Z"]
    assert (await api("GET", "/api/v1/rooms", claims={"roles": ["admin"]}))[0] == 200
    assert (await api("GET", "/api/v1/rooms", claims={"auctions": ["1"]}))[0] == 403
    for query in ("limit=0", "limit=501", "cursor=%21", "surprise=1"):
        assert (await api("GET", f"/api/v1/rooms?{query}"))[0] == 422


@pytest.mark.parametrize(
    ("method", "path"), [("GET", VIEWERS), ("GET", VIEWERS + ".csv"), ("GET", SETTINGS), ("PATCH", SETTINGS)]
)
async def test_history_and_switch_belong_to_the_owner_and_admins(api, method, path):
    """Nobody 401, another's owner 403; writing parts is for services alone."""
    body = {"enableViewerAnalytics": True} if method == "PATCH" else None
    assert (await api(method, path, body, key=None))[0] == 401
    assert (await api(method, path, body, claims={"auctions": ["other"]}))[0] == 403
    assert (await api(method, path, body, claims={"auctions": ["demo"]}))[0] == 200
    assert (await api(method, path, body, claims={"roles": ["admin"]}))[0] == 200
    assert (await api(method, path, body))[0] == 200


@pytest.mark.parametrize(("path", "body"), [(SNAPSHOT, MINIMUM), (BATCH, {"snapshots": []})])
async def test_parts_come_from_services_only(api, path, body):
    """Not even an admin's token writes history."""
    assert (await api("POST", path, body, key=None))[0] == 401
    assert (await api("POST", path, body, claims={"roles": ["admin"], "auctions": ["demo"]}))[0] == 403
    assert (await api("POST", path, body, key="not the key that was configured"))[0] == 401


@pytest.mark.parametrize("room", ["demo", "auction:", "auction:a b", "AUCTION:x", "auction:%7B%22$ne%22:1%7D"])
async def test_a_room_that_is_none_is_refused(api, room):
    """The grammar is checked before anything is read."""
    assert (await api("GET", f"/api/v1/rooms/{room}/analytics/viewers"))[0] in (404, 422)


async def test_the_database_going_away_is_a_503_and_it_comes_back(start_daemon, start_backend):
    """Never a 500; what was acknowledged before the kill is there afterwards."""
    daemon = start_daemon()
    api = await start_backend(daemon.url + "&serverSelectionTimeoutMS=200", "presence")
    await api.is_ready()
    await api.data("POST", BATCH, {"snapshots": [PART]})
    daemon.process.kill()
    daemon.process.wait()
    for method, path, body in (
        ("POST", BATCH, {"snapshots": [PART]}),
        ("POST", SNAPSHOT, MINIMUM),
        ("GET", VIEWERS, None),
        ("GET", VIEWERS + ".csv", None),
        ("PATCH", SETTINGS, {"enableViewerAnalytics": True}),
        ("GET", "/api/v1/rooms", None),
        ("GET", "/readyz", None),
    ):
        status, _ = await api(method, path, body)
        assert status == 503, path
        assert path == "/readyz" or int(api.headers["Retry-After"]) >= 1
    start_daemon(daemon.port)
    await api.is_ready()
    (again,) = (await api.data("POST", BATCH, {"snapshots": [PART]}))["results"]
    assert again == {"status": "duplicate"}
    assert (await api.data("GET", VIEWERS))["summary"]["totalSnapshots"] == 1


async def test_a_backend_that_starts_before_its_database_becomes_ready_with_it(
    start_daemon, start_backend, monkeypatch
):
    """Indexes are tried until the database is there; until then readiness says why."""
    monkeypatch.setattr(db, "RETRY_SECONDS", 0.1)
    daemon = start_daemon()
    daemon.stop()
    api = await start_backend(daemon.url + "&serverSelectionTimeoutMS=200", "presence")
    status, answer = await api("GET", "/readyz")
    assert status == 503
    assert "database" in answer["reasons"]
    start_daemon(daemon.port)
    await api.is_ready()
    with_indexes = await api.data("POST", BATCH, {"snapshots": [PART]})
    assert with_indexes["results"][0]["status"] == "saved"


async def test_a_replayed_part_is_a_duplicate_whenever_it_comes(api, clock):
    """Without a timestamp it is of the minute in which it was signed, by either path."""
    for path in (SNAPSHOT, SNAPSHOT.replace("auctions/demo", "rooms/auction:other")):
        send = api.signed("POST", path, MINIMUM)
        assert await send() == {"saved": True}
        for _ in range(3):
            clock.at += 61
            assert await send() == {"saved": False, "reason": "duplicate"}


async def test_a_replayed_switch_undoes_nothing(api, clock):
    """It is answered with what the switch is now."""
    on, off = {"enableViewerAnalytics": True}, {"enableViewerAnalytics": False}
    switch_on = api.signed("PATCH", SETTINGS, on)
    assert await switch_on() == on
    assert await api.signed("PATCH", SETTINGS, off)() == off
    assert await switch_on() == off
    assert await api.data("GET", SETTINGS) == off
