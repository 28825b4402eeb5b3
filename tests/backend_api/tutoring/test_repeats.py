"""What is asked twice happens once: links under one key, corrections; and what a correction refuses."""

import asyncio

import pytest

from tests.backend_api.tutoring.school import MEETING

ADMIN = {"sub": "boss", "roles": ["admin"]}
TEACHER = {"sub": "u-t1", "roles": ["teacher"], "teacherId": "t1"}
ZOOM = "/api/teachers/students/s1/zoom"
SESSIONS = "/api/admin/teacher-sessions"


def send(api, key, link=MEETING, **caller):
    return api("POST", ZOOM, {"link": link}, headers={"Idempotency-Key": key}, **({"claims": TEACHER} | caller))


async def test_the_same_key_is_the_same_link(api, telegram):
    """However often and however closely the request arrives: one lesson, one message."""
    answers = await asyncio.gather(*(send(api, "k1") for _ in range(4)))
    assert {status for status, _ in answers} == {201}
    assert len({answer["data"]["id"] for _, answer in answers}) == 1
    assert len(telegram.messages) == 1


async def test_another_key_is_another_link(api):
    """Also a service's own key, and no key at all."""
    made = [await send(api, "k1"), await send(api, "k2")]
    made += [await api("POST", ZOOM, {"link": MEETING}, claims=TEACHER) for _ in range(2)]
    by_service = {"link": MEETING, "teacherId": "t1"}
    made.append(await api("POST", ZOOM, by_service, headers={"Idempotency-Key": "k1"}))
    assert len({answer["data"]["id"] for _, answer in made}) == 5


async def test_a_key_is_good_for_one_link(api):
    """Under it nothing else can be sent, and nonsense is no key."""
    await send(api, "k1")
    assert (await send(api, "k1", "https://zoom.us/j/2"))[0] == 409
    assert (await send(api, "a b"))[0] == 400


async def over(api, make_link, seconds=1_801):
    """A lesson that lasted so long."""
    link = await make_link()
    await api("POST", "/api/zoom/start", {"token": link["trackingToken"]}, key=None)
    api.clock.at += seconds
    await api("POST", "/api/zoom/end-session", {"token": link["trackingToken"]}, key=None)
    return f"{SESSIONS}/{link['id']}"


@pytest.mark.parametrize("minutes", [None, "", "ten", -1, True, 1_441, "NaN"])
async def test_a_correction_without_a_duration_is_refused(api, make_link, minutes):
    """An empty field is not nought minutes."""
    path = await over(api, make_link)
    assert (await api("PATCH", path, {"durationMinutes": minutes, "reason": "x"}, claims=ADMIN))[0] == 422
    assert (await api("PATCH", path, {"reason": "x"}, claims=ADMIN))[0] == 422
    (row,) = (await api.data("GET", SESSIONS, claims=ADMIN))["sessions"]
    assert (row["billedFromSeconds"], row["corrections"]) == (1_801, [])


async def test_a_correction_is_exact_and_repeats_change_nothing(api, make_link):
    """Every second survives the way through minutes; the same word said twice is one correction."""
    path = await over(api, make_link)
    for seconds in (1, 59, 3_601, 4_567, 86_399):
        body = {"durationMinutes": seconds / 60, "reason": "x"}
        row = await api.data("PATCH", path, body, claims=ADMIN)
        api.clock.at += 5
        assert await api.data("PATCH", path, body, claims=ADMIN) == row
        assert row["billedFromSeconds"] == seconds
    assert len(row["corrections"]) == 5


async def test_the_table_says_who_corrected_and_why(api, make_link):
    """Beside the delivery, the start at the sender's address, and what the page believed."""
    path = await over(api, make_link)
    await api.data("PATCH", path, {"durationMinutes": 60, "reason": "Zoom went on"}, claims=ADMIN)
    _, text = await api("GET", f"{SESSIONS}.csv", claims=ADMIN)
    head, line = (line.split(",") for line in text.strip().splitlines())
    cells = dict(zip(head, line, strict=True))
    assert (cells["correctedBy"], cells["correctionReason"]) == ("boss", "Zoom went on")
    assert (cells["delivery"], cells["startedByCreator"], cells["billedFromSeconds"]) == ("delivered", "yes", "3600")
