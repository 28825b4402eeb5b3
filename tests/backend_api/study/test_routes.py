"""Study calls over HTTP, with Stream's double on the other side."""

import asyncio
import csv
import io
import random
from itertools import permutations

import pytest

ANN = {"sub": "ann", "roles": ["user"]}
BOB = {"sub": "bob", "roles": ["user"]}
ADMIN = {"sub": "boss", "roles": ["admin"]}
TRACK = "/api/study-sessions/stream-duration"


async def track(api, action, claims=ANN, call="c9"):
    return await api.data("POST", TRACK, {"userId": claims["sub"], "callId": call, "action": action}, claims=claims)


async def sessions(api, query="?userId=ann", **caller):
    return (await api.data("GET", f"/api/study-sessions{query}", **caller))["sessions"]


async def until(look, wanted):
    """Waits until what is looked at is as wanted: webhooks are applied after they are answered."""
    async with asyncio.timeout(30):
        while (found := await look()) != wanted:
            await asyncio.sleep(0.02)
    return found


async def until_some(look, is_it=bool):
    """Waits until what is looked at is so."""
    async with asyncio.timeout(30):
        while not (found := await look()) or not is_it(found):
            await asyncio.sleep(0.02)
    return found


async def test_without_the_provider_our_own_measure_counts(api):
    """Start and end over HTTP, an hour apart and nothing in between."""
    started = await track(api, "start")
    assert started["status"] == "active"
    assert (await track(api, "start"))["id"] == started["id"]
    api.clock.at += 3_605
    ended = await track(api, "end")
    assert (ended["id"], ended["durationSeconds"], ended["duration"], ended["durationSource"]) == (
        started["id"],
        3_605,
        60,
        "server",
    )
    api.clock.at += 60
    assert (await track(api, "end"))["durationSeconds"] == 3_605


async def test_the_providers_duration_is_the_truth(api, stream):
    """Where it lists the user in the call; our own stays beside it with the difference."""
    base = api.clock()
    await track(api, "start")
    api.clock.at += 600
    stream.knows(
        "c9", started=base - 60, ended=base + 590, stays=[("ann", base + 5, base + 585), ("bob", base, base + 590)]
    )
    ended = await track(api, "end")
    assert (ended["durationSeconds"], ended["durationSource"]) == (580, "provider")
    (session,) = await sessions(api)
    assert session["sources"] == {"provider": 580, "server": 600, "manual": None}
    assert session["differenceSeconds"] == -20
    assert session["callDurationSeconds"] == 650


async def test_an_end_that_comes_before_the_providers_counts_at_once(api, stream):
    """Our own measure until the provider has seen the learner leave, and the session is over."""
    base = api.clock()
    await track(api, "start")
    stream.knows("c9", started=base, stays=[("ann", base, None)])
    api.clock.at += 600
    ended = await track(api, "end")
    assert (ended["status"], ended["durationSeconds"], ended["durationSource"]) == ("completed", 600, "server")
    active = await api.data("GET", "/api/study-sessions/active-calls", claims=ANN)
    assert active["calls"] == []
    stream.knows("c9", started=base, stays=[("ann", base, base + 603)])
    again = await track(api, "end")
    assert (again["durationSeconds"], again["durationSource"]) == (603, "provider")


async def test_somebody_elses_call_gives_no_provider_minutes(api, stream):
    """The provider knows the call, but not this user in it."""
    base = api.clock()
    stream.knows("c9", started=base, ended=base + 3_600, stays=[("bob", base, base + 3_600)])
    await track(api, "start")
    api.clock.at += 30
    ended = await track(api, "end")
    assert (ended["durationSeconds"], ended["durationSource"]) == (30, "server")
    assert (await api("GET", "/api/study-sessions?userId=bob", claims=ANN))[0] == 403


async def test_a_provider_that_fails_is_a_fallback_not_an_error(api, stream):
    """500 from there is 200 from here."""
    stream.fails = 500
    await track(api, "start")
    api.clock.at += 90
    assert (await track(api, "end"))["durationSource"] == "server"
    assert len(stream.asked) == 1


async def test_users_track_themselves(api):
    """Nobody starts or reads another's sessions; services may."""
    body = {"userId": "ann", "callId": "c9", "action": "start"}
    assert (await api("POST", TRACK, body, claims=BOB))[0] == 403
    assert (await api("POST", TRACK, body, key=None))[0] == 401
    assert (await api("POST", TRACK, body))[0] == 200
    assert (await api("POST", TRACK, body | {"action": "end", "callId": "other"}))[0] == 404
    for path in ("?userId=ann", "/daily?userId=ann", "/active-calls?userId=ann", "/calls/c9"):
        assert (await api("GET", f"/api/study-sessions{path}", claims=BOB))[0] == 403
    assert (await api("GET", "/api/study-sessions"))[0] == 422
    assert len(await sessions(api, "", claims=ANN)) == 1


async def test_webhooks_in_any_order_and_number_give_one_result(start_backend, stream, api, hook, event):
    """All permutations of a call's story, some of them repeated, each on a call of its own."""
    story = [
        ("call.session_started", -600, {}),
        ("call.session_participant_joined", -590, {"user": "ann", "joined": -590}),
        ("call.session_participant_left", -300, {"user": "ann", "joined": -590, "seconds": 290}),
        ("call.session_ended", -60, {}),
    ]
    dice, calls = random.Random(1), []
    for number, order in enumerate(permutations(story)):
        call = f"p{number}"
        calls.append(call)
        for kind, after, more in [*order, dice.choice(order)]:
            status, _ = await hook(event(kind, after, call=call, **more))
            assert status == 200

    async def look():
        found = await sessions(api, "?userId=ann&limit=500")
        return {
            row["callId"]: (row["durationSeconds"], row["durationSource"], row["callDurationSeconds"], row["status"])
            for row in found
        }

    await until(look, dict.fromkeys(calls, (290, "provider", 540, "completed")))


async def test_provider_data_that_comes_later_replaces_the_fallback(api, hook, event):
    """First ours, then the webhook's."""
    await track(api, "start")
    api.clock.at += 300
    assert (await track(api, "end"))["durationSource"] == "server"
    status, answer = await hook(
        event("call.session_participant_left", 290, user="ann", joined=2, seconds=288), compressed=True
    )
    assert (status, answer) == (200, {"status": "stored"})

    async def look():
        (row,) = await sessions(api)
        return row["durationSource"], row["durationSeconds"], row["sources"]["server"]

    await until(look, ("provider", 288, 300))


async def test_a_webhook_is_taken_once(hook, event):
    """By its content and by its id."""
    joined = event("call.session_participant_joined", -10, user="ann")
    assert (await hook(joined, webhook_id="w1"))[1] == {"status": "stored"}
    assert (await hook(joined, webhook_id="w1"))[1] == {"status": "duplicate"}
    assert (await hook(joined, webhook_id="w2"))[1] == {"status": "duplicate"}
    assert (await hook(event("call.session_participant_joined", -9, user="bob"), webhook_id="w1"))[1] == {
        "status": "duplicate"
    }
    assert (await hook(event("call.reaction_new", -9)))[1] == {"status": "ignored"}


async def test_a_forged_webhook_leaves_nothing(api, hook, event):
    """401 and nothing stored, whatever is wrong with it."""
    joined = event("call.session_participant_joined", -10, user="ann")
    for changed in ({"X-SIGNATURE": "0" * 64}, {"X-SIGNATURE": ""}, {"X-API-KEY": "another"}, {"X-API-KEY": ""}):
        assert (await hook(joined, **changed))[0] == 401
    assert (await hook(event("call.session_participant_joined", -8 * 86_400, user="ann")))[0] == 422
    assert (await hook(b"[]"))[0] == 422
    assert (await hook(b"\x00" * 300_000))[0] == 413
    assert (await hook(bytes(3_000_000), compressed=True))[0] == 413
    assert await sessions(api, "?userId=ann") == []


async def test_several_calls_at_once_count_once_in_a_day(api):
    """Two calls side by side are two sessions, and one stretch of time."""
    await track(api, "start", call="c1")
    api.clock.at += 100
    await track(api, "start", call="c2")
    assert len((await api.data("GET", "/api/study-sessions/active-calls", claims=ANN))["calls"]) == 2
    api.clock.at += 140
    await track(api, "end", call="c1")
    api.clock.at += 100
    await track(api, "end", call="c2")
    days = (await api.data("GET", "/api/study-sessions/daily", claims=ANN))["days"]
    assert days == [{"date": "2026-11-21", "hours": 0.09, "seconds": 340, "sessions": 2}]


async def test_days_are_split_at_the_midnight_of_the_zone_asked_for(api):
    """An hour around Tokyo's midnight is half on either day."""
    api.clock.at += 4 * 3_600
    await track(api, "start")
    api.clock.at += 3_600
    await track(api, "end")
    days = (await api.data("GET", "/api/study-sessions/daily?userId=ann&tz=Asia/Tokyo"))["days"]
    assert [(day["date"], day["seconds"]) for day in days] == [("2026-11-21", 1_800), ("2026-11-22", 1_800)]
    days = (await api.data("GET", "/api/study-sessions/daily?userId=ann"))["days"]
    assert [(day["date"], day["seconds"]) for day in days] == [("2026-11-21", 3_600)]


async def call_of(api, user, call="c9"):
    """A call as this user sees it: status and data."""
    status, answer = await api("GET", f"/api/study-sessions/calls/{call}", claims={"sub": user, "roles": ["user"]})
    return status, answer.get("data")


async def test_a_call_and_who_is_in_it(api, hook, event):
    """For participants; with or without the type in its name."""
    await track(api, "start")
    await hook(event("call.session_started", -60))
    for user in ("ann", "bob"):
        await hook(event("call.session_participant_joined", -30, user=user))

    async def look():
        status, call = await call_of(api, "ann", "default:c9")
        return status, call and call["participants"]

    await until(look, (200, ["ann", "bob"]))
    _, call = await call_of(api, "bob")
    assert (call["active"], call["durationSeconds"], call["endedAt"]) == (True, 60, None)


async def test_a_start_makes_nobody_a_participant_of_a_call_that_the_provider_knows(api, hook, event):
    """Who merely says so learns neither who is in it nor how long it lasts, and is not shown to those who are."""
    await hook(event("call.session_started", -60))
    await hook(event("call.session_participant_joined", -50, user="bob"))
    await until_some(lambda: sessions(api, "?userId=bob"))
    await track(api, "start")
    api.clock.at += 60
    await track(api, "end")
    assert (await call_of(api, "ann"))[0] == 403
    assert (await call_of(api, "bob"))[1]["participants"] == ["bob"]
    (mine,) = await sessions(api)
    assert (mine["durationSeconds"], mine["callDurationSeconds"]) == (60, None)
    await hook(event("call.session_ended", 60))
    api.clock.at += 3_600
    await track(api, "start")
    assert (await call_of(api, "ann"))[0] == 403


async def test_who_was_in_a_call_long_ago_may_still_look(api):
    """It is looked for further back where it was not held lately."""
    await track(api, "start")
    api.clock.at += 600
    await track(api, "end")
    api.clock.at += 30 * 86_400
    status, call = await call_of(api, "ann")
    assert (status, call["durationSeconds"], call["active"], call["participants"]) == (200, 600, False, ["ann"])
    assert (await call_of(api, "bob"))[0] == 403


async def test_without_the_provider_participants_are_who_says_so(api):
    """There is nobody else to tell."""
    await track(api, "start")
    assert (await call_of(api, "bob"))[0] == 403
    await track(api, "start", BOB)
    assert (await call_of(api, "bob"))[1]["participants"] == ["ann", "bob"]


async def test_a_correction_is_kept_with_its_reason(api):
    """It counts, and every other source stays visible."""
    session = await track(api, "start")
    api.clock.at += 60
    await track(api, "end")
    path = f"/api/study-sessions/{session['id']}"
    assert (await api("PATCH", path, {"durationSeconds": 1, "reason": "x"}, claims=ANN))[0] == 403
    api.clock.at += 1_800
    row = await api.data("PATCH", path, {"durationSeconds": 1_800, "reason": "the tab crashed"}, claims=ADMIN)
    assert (row["durationSeconds"], row["durationSource"], row["reason"]) == (1_800, "manual", "the tab crashed")
    assert row["sources"] == {"provider": None, "server": 60, "manual": 1_800}
    assert (await api("PATCH", "/api/study-sessions/nope", {"durationSeconds": 1, "reason": "x"}))[0] == 404


async def test_a_session_that_only_the_provider_knows_is_corrected(api, hook, event):
    """By the id it is listed with; the correction stays when more of it becomes known."""
    await hook(event("call.session_participant_left", -100, user="ann", joined=-700, seconds=600))
    (found,) = await until_some(lambda: sessions(api))
    assert (found["id"][:2], found["durationSource"]) == ("p-", "provider")
    path = f"/api/study-sessions/{found['id']}"
    assert (await api("PATCH", path, {"durationSeconds": 1, "reason": "x"}, claims=ANN))[0] == 403
    api.clock.at += 600
    row = await api.data("PATCH", path, {"durationSeconds": 1_200, "reason": "second device"}, claims=ADMIN)
    assert (row["id"], row["durationSeconds"], row["durationSource"]) == (found["id"], 1_200, "manual")
    earlier = {"joined": -740, "seconds": 20, "connection": "c2"}
    await hook(event("call.session_participant_left", -720, user="ann", **earlier))
    (after,) = await until_some(lambda: sessions(api), lambda rows: rows[0]["sources"]["provider"] == 620)
    assert (after["durationSeconds"], after["sources"]["manual"]) == (1_200, 1_200)
    api.clock.at += 1_000
    days = await api.data("GET", "/api/study-sessions/daily?userId=ann")
    assert sum(one["seconds"] for one in days["days"]) == 1_200


async def test_a_page_that_beats_and_then_sleeps_does_not_count_its_sleep(api):
    """The end that its closing sends hours later is none of the time; an end without beats counts from the start."""
    for _ in range(14):
        await track(api, "start")
        api.clock.at += 45
    api.clock.at += 8 * 3_600
    ended = await track(api, "end")
    assert ended["durationSeconds"] == 13 * 45
    days = await api.data("GET", "/api/study-sessions/daily?userId=ann")
    assert sum(one["seconds"] for one in days["days"]) == 13 * 45


async def test_a_reload_over_http_goes_on_with_its_session(api):
    """A page that closes may be back within the minute; one that stays away has ended then."""
    first = await track(api, "start")
    api.clock.at += 40
    body = {"userId": "ann", "callId": "c9", "action": "end", "reason": "pageClose"}
    await api.data("POST", TRACK, body, claims=ANN)
    api.clock.at += 5
    assert (await track(api, "start"))["id"] == first["id"]
    api.clock.at += 30
    await api.data("POST", TRACK, body, claims=ANN)
    api.clock.at += 200
    (session,) = await sessions(api)
    assert (session["status"], session["durationSeconds"]) == ("completed", 75)
    assert (await track(api, "start"))["id"] != first["id"]


async def test_a_calls_duration_is_the_same_for_all(api):
    """Also where nobody was in it all the time and the provider says nothing."""
    stays = {"ann": (0, 300), "bob": (240, 1_800), "cat": (1_740, 3_600)}
    moments = sorted(
        (at, name, action) for name, ends in stays.items() for at, action in zip(ends, ("start", "end"), strict=True)
    )
    base = api.clock()
    for at, name, action in moments:
        api.clock.at = base + at
        await track(api, action, {"sub": name, "roles": ["user"]})
    for name in stays:
        (session,) = await sessions(api, f"?userId={name}")
        assert session["callDurationSeconds"] == 3_600
    assert (await api.data("GET", "/api/study-sessions/calls/c9"))["durationSeconds"] == 3_600


async def test_a_user_is_in_so_many_calls_at_once_and_no_more(api):
    """Each is asked about at the provider; whoever leaves one may enter another."""
    for number in range(20):
        await track(api, "start", call=f"c{number}")
    body = {"userId": "ann", "callId": "one-more", "action": "start"}
    assert (await api("POST", TRACK, body, claims=ANN))[0] == 429
    await track(api, "start", call="c3")
    await track(api, "end", call="c3")
    assert (await api("POST", TRACK, body, claims=ANN))[0] == 200


async def test_the_list_has_pages_and_a_table(api):
    """Every session once, newest first; the table holds the same rows."""
    for number in range(5):
        await track(api, "start", call=f"c{number}")
        api.clock.at += 60
        await track(api, "end", call=f"c{number}")
    listed, cursor = [], ""
    while cursor is not None:
        page = await api.data("GET", f"/api/study-sessions?userId=ann&limit=2{cursor and f'&cursor={cursor}'}")
        listed += [session["callId"] for session in page["sessions"]]
        cursor = page["nextCursor"]
    assert listed == ["c4", "c3", "c2", "c1", "c0"]
    _, text = await api("GET", "/api/study-sessions.csv?userId=ann")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["callId"] for row in rows] == listed
    assert sum(int(row["durationSeconds"]) for row in rows) == 300
    _, days = await api("GET", "/api/study-sessions/daily.csv?userId=ann")
    assert days == "date,hours,seconds,sessions\r\n2026-11-21,0.08,300,5\r\n"
    assert (await api("GET", "/api/study-sessions?userId=ann&cursor=x"))[0] == 422
    assert (await api("GET", "/api/study-sessions.csv?userId=ann", claims=BOB))[0] == 403


async def test_a_genuine_webhook_of_another_type_is_ignored(hook):
    """Whatever else is in it: a refusal would be repeated for ever."""
    call = {"call_cid": "default:c9"}
    for odd in ({"type": "call.reaction_new", **call}, {"type": "custom", "user": {}, "created_at": 7}):
        assert await hook(odd) == (200, {"status": "ignored"})
    assert (await hook({"type": "call.session_started", **call}))[0] == 422


@pytest.mark.parametrize("body", [
    {"userId": "ann", "callId": "a b", "action": "start"}, {"userId": "ann", "callId": "c", "action": "pause"},
    {"userId": {"$ne": ""}, "callId": "c", "action": "start"},
    {"userId": "ann", "callId": "c", "action": "start", "duration": 90_000},
])  # fmt: skip
async def test_a_malformed_call_is_refused(api, body):
    """422; a client's duration has no place to go."""
    assert (await api("POST", TRACK, body))[0] == 422
