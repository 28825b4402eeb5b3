"""Engagement on the whole program, over HTTP."""

import gzip

import orjson
import pytest
from pymongo import MongoClient

from backend_api.engagement import catalogue_routes
from backend_api.service.access import Internal, authorize
from backend_api.service.errors import Forbidden

ADMIN = {"roles": ["admin"]}
ARTIST = {"roles": ["artist"], "artistId": "a"}
EVENTS = "/api/stats/events"
ANALYTICS = "/api/stats/analytics"
DASHBOARD = "/api/dashboard/stats"


def stored(api, embedded_url):
    """How many raw events there are; no trace of others is kept."""
    with MongoClient(embedded_url) as client:
        database = client[api.database]
        numbers = {name: database[name].count_documents({}) for name in database.list_collection_names()}
    events = sum(number for name, number in numbers.items() if name.endswith("_events"))
    assert (numbers.get("event_ids", 0), numbers.get("engagement_intents", 0)) == (events, 0)
    return events


async def test_of_a_batch_the_good_events_are_stored_and_the_bad_ones_named(api, event, embedded_url):
    """By index and reason; everything is in exactly one of accepted, duplicates, rejected."""
    answer = await api.send(
        event("play", eventId="e1"),
        event("play", eventId="e1"),
        event("play", eventId="e1", source="direct"),
        event("play", "unknown"),
        event("play", ago=40 * 86_400),
        event("play", ago=-600),
        {"type": "dance", "trackId": "t1"},
        event("like", action="adore"),
        17,
        event("download", sessionId={"$ne": 1}),
    )
    reasons = [(one["index"], one["reason"]) for one in answer["rejected"]]
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert reasons == [
        (2, "conflict"), (3, "unknown_track"), (4, "too_old"), (5, "in_future"), (6, "unknown_type"),
        (7, "bad_field"), (8, "bad_field"), (9, "bad_field"),
    ]  # fmt: skip
    assert stored(api, embedded_url) == 1


async def test_what_is_sent_is_on_the_artists_dashboard(api, event):
    """Tiles, rates, recent activity, top tracks."""
    await api.put("/api/artists/a", {"name": "Ada"})
    await api.put("/api/playlists/pl", {"ownerId": "a", "title": "Mix", "trackIds": ["t1", "t2"]})
    await api.send(
        event("play", eventId="e1", playId="p1", ago=90),
        event("playEnd", eventId="e2", playId="p1"),
        event("play", "t2", eventId="e3"),
        event("share", eventId="e4"),
        claims={},
    )
    await api.send(event("like", eventId="e5"), event("save", eventId="e6"), claims={})
    await api.folded()
    shown = await api.data("GET", DASHBOARD + "?timeRange=24h", claims=ARTIST)
    assert shown["overview"] == {
        "totalTracks": 2, "totalPlays": 2, "totalLikes": 1, "totalShares": 1, "totalDownloads": 0, "totalSaves": 1,
        "uniqueListeners": 1, "avgDuration": 90.0, "avgCompletionRate": 50.0,
    }  # fmt: skip
    assert shown["artist"] == {"artistId": "a", "name": "Ada", "image": None}
    assert {play["title"] for play in shown["recentActivity"]["plays"]} == {"Title t1", "Title t2"}
    assert len(shown["recentActivity"]["likes"]) == 1
    assert [top["trackId"] for top in shown["topTracks"]] == ["t1", "t2"]
    assert shown["engagement"] == {
        "likeRate": 0.5, "shareRate": 0.5, "saveRate": 0.5, "downloadRate": 0.0, "completionRate": 50.0,
    }  # fmt: skip
    assert shown["growth"] == {"plays": None, "likes": None, "shares": None}
    assert shown["playlists"] == [{"playlistId": "pl", "title": "Mix", "totalTracks": 2}]
    assert shown["freshness"]["pendingEvents"] == 0
    assert shown["exact"] is True
    assert sum(point["value"] for point in shown["series"]) == 2


async def test_analytics_are_of_a_track_an_artist_or_everything(api, event):
    """And break down by source, platform and country."""
    await api.put("/api/tracks/t3", {"artistId": "b", "title": "Other", "durationSeconds": 60})
    await api.send(event("play"), event("play", "t2", source="share"), event("play", "t3"), event("share"))
    await api.folded()
    of_track = await api.data("GET", ANALYTICS + "?trackId=t1&timeRange=24h&metric=shares", claims=ADMIN)
    of_artist = await api.data("GET", ANALYTICS + "?artistId=a&timeRange=7d", claims=ADMIN)
    of_all = await api.data("GET", ANALYTICS + "?timeRange=all", claims=ADMIN)
    assert [one["totalPlays"] for one in (of_track, of_artist, of_all)] == [1, 2, 3]
    assert [one["uniquePlays"] for one in (of_track, of_artist, of_all)] == [1, 1, 1]
    assert of_artist["sourceBreakdown"] == {"search": 1, "share": 1}
    assert of_track["platformBreakdown"] == {"embed": 1}
    assert of_track["series"][-1]["value"] == 1


async def test_counters_are_for_anyone(api, event):
    """404 for a track that nobody named."""
    await api.send(event("play"), event("download"))
    assert await api.data("GET", "/api/tracks/t1/counters") == {
        "playCount": 1, "likeCount": 0, "shareCount": 0, "downloadCount": 1,
    }  # fmt: skip
    assert (await api("GET", "/api/tracks/none/counters"))[0] == 404


async def test_an_envelope_corrects_the_devices_clock(api, event):
    """A device that is a day behind sends what happened ten seconds ago."""
    behind = event("play", ago=86_400 + 10)
    await api.data("POST", EVENTS, {"sentAt": round((api.clock() - 86_400) * 1_000), "events": [behind]})
    await api.folded()
    found = await api.data("GET", ANALYTICS + "?trackId=t1&timeRange=24h", claims=ADMIN)
    assert found["series"][-1]["value"] == 1


async def test_a_beacon_carries_its_token_in_the_body(api, event):
    """As text/plain; a wrong token is refused."""
    body = orjson.dumps({"token": api.token(sub="ann"), "events": [event("like")]})
    assert (await api("POST", EVENTS, raw=body, Content_Type="text/plain;charset=UTF-8"))[0] == 200
    assert (await api.data("GET", "/api/tracks/t1/counters"))["likeCount"] == 1
    assert (await api("POST", EVENTS, {"token": "a.b.c", "events": []}))[0] == 401


@pytest.mark.parametrize(
    ("raw", "headers", "status"),
    [
        (b"[" * 5_000, {}, 400),
        (b"\xff", {}, 400),
        (b'{"$ne": 1}', {}, 422),
        (b'{"events": {"$ne": 1}}', {}, 422),
        (b'"text"', {}, 422),
        (orjson.dumps([{}] * 1_001), {}, 422),
        (b" " * 10_000_000, {}, 413),
        (gzip.compress(b" " * 10_000_000, mtime=0), {"Content-Encoding": "gzip"}, 415),
        (b"[]", {"Content-Type": "application/xml"}, 415),
        (b"[]", {"Authorization": "Bearer nonsense"}, 401),
    ],
)
async def test_what_is_no_batch_is_refused_and_nothing_written(api, embedded_url, raw, headers, status):
    """Deep, binary, operators, too many, too large, a bomb, another type, a wrong token."""
    assert (await api("POST", EVENTS, raw=raw, **headers))[0] == status
    assert stored(api, embedded_url) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"trackId": {"$gt": ""}}, {"trackId": "a.b$c"}, {"eventId": "x" * 65}, {"eventId": 7},
        {"timestamp": "1763700000"}, {"timestamp": "yesterday"}, {"timestamp": True}, {"timestamp": 1e300},
        {"timestamp": "0001-01-01T00:00:00+14:00"}, {"timestamp": "9999-12-31T23:59:59-14:00"},
        {"duration": -1}, {"duration": "9"}, {"duration": 1e9},
        {"source": "spam"}, {"source": ["search"]}, {"replayed": 1}, {"sessionId": None}, {"playlistId": "a|b"},
    ],
)  # fmt: skip
async def test_a_field_that_is_wrong_rejects_its_event_only(api, event, change):
    """Never a 500, and the neighbour is stored."""
    answer = await api.send(event("play") | change, event("play", eventId="good"))
    assert answer["accepted"] == 1
    assert [one["index"] for one in answer["rejected"]] == [0]


async def test_unknown_fields_are_ignored_and_identity_is_not_taken_from_the_body(api, event, embedded_url):
    """The user comes from the token; the address is kept truncated."""
    await api.send(event("play", userId="root", ip="1.2.3.4", completionRate=100, **{"a.b": {"$where": "1"}}))
    with MongoClient(embedded_url) as client:
        kept = client[api.database]["play_events"].find_one()
    assert "userId" not in kept
    assert kept["ip"] == "127.0.0.0"
    assert "a.b" not in kept
    assert "completionRate" not in kept


async def test_without_consent_nothing_outlives_the_session(api, event, embedded_url):
    """Neither device id nor address nor user agent; a browser's Sec-GPC says no, too."""
    guest = event("play", eventId="e1", anonymousId="device")
    await api.data("POST", EVENTS, {"consent": False, "events": [guest]})
    await api.send(guest | {"eventId": "e2"}, Sec_GPC="1")
    with MongoClient(embedded_url) as client:
        for kept in client[api.database]["play_events"].find():
            assert kept["person"] == "s:s1"
            assert {"anonymousId", "ip", "userAgent"}.isdisjoint(kept)


async def test_an_address_that_sends_too_much_is_told_when_to_come_back(start_api, event):
    """Services of ours have no such limit."""
    async with start_api(events_per_second=1, events_at_once=1_000) as api:
        await api.send(*[event("play", eventId=f"e{number}") for number in range(1_000)])
        status, problem = await api("POST", EVENTS, [event("play", eventId="more")])
        assert (status, problem["title"], api.headers["Retry-After"]) == (429, "Too Many Requests", "1")
        assert (await api.send(event("play", eventId="more"), key="k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"))["accepted"] == 1


async def test_a_signed_in_listener_is_no_crawler_whatever_the_app_says(api, event):
    """Libraries of apps are in the list of crawlers."""
    agent = {"User_Agent": "MyApp/3.2 (Android 14; okhttp/4.12.0)"}
    await api.send(event("play", eventId="guest"), **agent)
    await api.send(event("play", eventId="user"), claims={}, **agent)
    assert (await api.data("GET", "/api/tracks/t1/counters"))["playCount"] == 1
    async with api.session.get(f"{api.url}/metrics") as metrics:
        assert 'engagement_uncounted_total{why="bot"} 1.0' in await metrics.text()


@pytest.mark.parametrize(
    ("path", "claims", "status"),
    [
        (ANALYTICS, None, 401), (ANALYTICS, ARTIST, 403), (ANALYTICS, ADMIN, 200),
        (ANALYTICS + "?trackId=t1&artistId=a", ADMIN, 422), (ANALYTICS + "?timeRange=5m", ADMIN, 422),
        (DASHBOARD, None, 401), (DASHBOARD, {"roles": ["user"]}, 403), (DASHBOARD, {"roles": ["artist"]}, 403),
        (DASHBOARD + "?artistId=b", ARTIST, 403), (DASHBOARD + "?artistId=b", ADMIN, 200), (DASHBOARD, ADMIN, 422),
        ("/api/admin/tracks/t1/audit", ARTIST, 403), ("/api/tracks", ARTIST, 403),
    ],
)  # fmt: skip
async def test_who_may_see_what(api, path, claims, status):
    """Admins everything, artists their own."""
    assert (await api("GET", path, claims=claims))[0] == status


async def test_a_rebuild_recounts_and_changes_nothing_that_was_right(api, event):
    """Days whose raw events are gone are a conflict."""
    await api.send(event("play"), event("share"))
    await api.folded()
    before = await api.data("GET", ANALYTICS + "?trackId=t1", claims=ADMIN)
    answer = await api.data("POST", "/api/admin/rollups", {"from": "2026-11-01", "to": "2026-11-21"}, claims=ADMIN)
    assert answer["openDays"] == 2 * 21
    while (await api.data("GET", "/api/admin/rollups?from=2026-11-01&to=2026-11-21", claims=ADMIN))["openDays"]:
        pass
    assert await api.data("GET", ANALYTICS + "?trackId=t1", claims=ADMIN) == before
    audit = await api.data("GET", "/api/admin/tracks/t1/audit", claims=ADMIN)
    assert (audit["equal"], audit["pending"], audit["recount"]["playCount"]) == (True, False, 1)
    gone = {"from": "2026-01-01", "to": "2026-11-21"}
    assert (await api("POST", "/api/admin/rollups", gone, claims=ADMIN))[0] == 409
    for wrong in ({"from": "2026-11-21", "to": "2026-11-01"}, {"from": "9999-12-31", "to": "9999-12-31"}):
        assert (await api("POST", "/api/admin/rollups", wrong, claims=ADMIN))[0] == 422
    assert (await api("GET", "/api/admin/rollups?from=2026-11-01", claims=ADMIN))[0] == 422


async def test_tracks_are_listed_page_by_page_and_as_a_table(api):
    """In the order of their ids, with their artists' names; formulas are text."""
    await api.put("/api/artists/a", {"name": "Ada"})
    await api.put("/api/tracks/t0", {"artistId": "b", "title": "=1+1", "durationSeconds": 7})
    found, cursor = [], ""
    while cursor is not None:
        page = await api.data("GET", f"/api/tracks?limit=2{cursor and '&cursor=' + cursor}", claims=ADMIN)
        found += [(track["trackId"], track["artistName"]) for track in page["tracks"]]
        cursor = page["nextCursor"]
    assert found == [("t0", None), ("t1", "Ada"), ("t2", "Ada")]
    only = await api.data("GET", "/api/tracks?artistId=b", claims=ADMIN)
    assert ([track["trackId"] for track in only["tracks"]], only["nextCursor"]) == (["t0"], None)
    assert (await api("GET", "/api/tracks?cursor=%21", claims=ADMIN))[0] == 422
    headers = {"Authorization": f"Bearer {api.token(**ADMIN)}"}
    async with api.session.get(api.url + "/api/tracks.csv", headers=headers) as answer:
        lines = (await answer.text()).splitlines()
    assert lines[:2] == ["trackId,artistId,title,durationSeconds", "t0,b,'=1+1,7"]


async def test_the_document_says_what_an_event_is(api):
    """Every type with its fields, in the batch as in the envelope."""
    async with api.session.get(api.url + "/openapi.json") as answer:
        document = await answer.json()
    schemas = document["components"]["schemas"]
    body = document["paths"]["/api/stats/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["anyOf"][0]["items"]["discriminator"]["mapping"]) == {
        "play", "playEnd", "like", "save", "share", "download",
    }  # fmt: skip
    assert {"eventId", "playId", "source", "duration"} <= set(schemas["Play"]["properties"])
    assert {"type": "number", "minimum": 0} in schemas["Play"]["properties"]["timestamp"]["anyOf"]


async def test_a_track_that_changes_hands_takes_its_figures_along(api, event):
    """Both artists' dashboards are right afterwards."""
    await api.send(event("play"))
    await api.folded()
    await api.put("/api/tracks/t1", {"artistId": "b", "title": "Moved", "durationSeconds": 180})
    await api.folded()
    plays = {
        artist: (await api.data("GET", f"{DASHBOARD}?artistId={artist}", claims=ADMIN))["overview"]["totalPlays"]
        for artist in ("a", "b")
    }
    assert plays == {"a": 0, "b": 1}


def test_a_key_that_may_read_names_nothing():
    """Whose figures a track's are is decided in the catalogue."""
    reading = Internal("k", frozenset({"read", "snapshots"}))
    writing = [route for route in catalogue_routes.table.routes if route.method == "PUT"]
    assert len(writing) == 4
    for route in writing:
        with pytest.raises(Forbidden):
            authorize(reading, None, route.allow)
