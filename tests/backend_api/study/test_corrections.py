"""An admin's word about how long a session was."""

from datetime import UTC, datetime

import pytest

ADMIN = {"sub": "boss", "roles": ["admin"]}
ANN = {"sub": "ann", "roles": ["user"]}
DAILY = "/api/study-sessions/daily?userId=ann"


async def track(api, action):
    body = {"userId": "ann", "callId": "c9", "action": action}
    return await api.data("POST", "/api/study-sessions/stream-duration", body, claims=ANN)


async def correct(api, session_id, seconds):
    body = {"durationSeconds": seconds, "reason": "second device"}
    return await api("PATCH", f"/api/study-sessions/{session_id}", body, claims=ADMIN)


async def seconds_of(api, *days):
    """Seconds of each day, asked for alone."""
    found = [await api.data("GET", f"{DAILY}&from={day}&to={day}", claims=ADMIN) for day in days]
    return [sum(one["seconds"] for one in answer["days"]) for answer in found]


@pytest.fixture
async def late(api):
    """A session from 23:40 to 23:50; its id."""
    api.clock.at = datetime(2026, 11, 21, 23, 40, tzinfo=UTC).timestamp()
    session = await track(api, "start")
    api.clock.at += 600
    await track(api, "end")
    return session["id"]


async def test_a_correction_over_midnight_is_on_both_days(api, late):
    """Also where either is asked for alone; the row says when it ended."""
    api.clock.at += 86_400
    status, answer = await correct(api, late, 3_600)
    assert (status, answer["data"]["leftAt"]) == (200, "2026-11-22T00:40:00Z")
    assert await seconds_of(api, "2026-11-21", "2026-11-22", "2026-11-23") == [1_200, 2_400, 0]
    both = await api.data("GET", f"{DAILY}&from=2026-11-21&to=2026-11-22", claims=ADMIN)
    assert [(day["date"], day["seconds"]) for day in both["days"]] == [("2026-11-21", 1_200), ("2026-11-22", 2_400)]


async def test_a_correction_cannot_reach_into_the_future(api, late):
    """Nobody can know that yet."""
    assert (await correct(api, late, 601))[0] == 409
    assert (await correct(api, late, 600))[0] == 200


async def test_no_session_is_corrected_to_more_than_a_day(api, late):
    """422."""
    assert (await correct(api, late, 86_401))[0] == 422


async def test_a_session_is_corrected_when_it_is_over(api, hook, event):
    """Not before: 409, whoever measures it, and its own end counts."""
    session = await track(api, "start")
    await hook(event("call.session_participant_joined", 0, user="bob"))
    api.clock.at += 10
    while not (known := (await api.data("GET", "/api/study-sessions?userId=bob"))["sessions"]):
        pass
    for one in (session, known[0]):
        assert (await correct(api, one["id"], 5))[0] == 409
    api.clock.at += 990
    ended = await track(api, "end")
    assert (ended["durationSeconds"], ended["durationSource"]) == (1_000, "server")
    assert (await correct(api, session["id"], 5))[0] == 200


async def test_a_correction_stays_when_the_start_becomes_known(api, hook, event):
    """The `left` came first; the id and the correction are the connection's."""
    api.clock.at += 1_000
    await hook(event("call.session_participant_left", 600, user="ann", seconds=590))
    while not (known := (await api.data("GET", "/api/study-sessions?userId=ann"))["sessions"]):
        pass
    assert (await correct(api, known[0]["id"], 60))[0] == 200
    await hook(event("call.session_participant_joined", 3, user="ann"))
    while True:
        (row,) = (await api.data("GET", "/api/study-sessions?userId=ann"))["sessions"]
        if row["joinedAt"] != known[0]["joinedAt"]:
            break
    assert (row["id"], row["durationSeconds"], row["durationSource"]) == (known[0]["id"], 60, "manual")
    assert (await correct(api, known[0]["id"], 70))[1]["data"]["durationSeconds"] == 70
