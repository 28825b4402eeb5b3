"""What presence_server reports of a lesson, late, after outages, and by a clock of its own."""

import pytest

from tests.backend_api.tutoring.calls import ADMIN, interval, lease, report, sessions, track

HOUR = 3_600


async def begun(api, make_link):
    """A lesson that begins now: its record's id, its token."""
    link = await make_link()
    await track(api, "start", link["trackingToken"])
    return link["id"], link["trackingToken"]


async def sweep(api):
    await api.data("POST", "/api/admin/auto-timeout", claims=ADMIN)
    (row,) = await sessions(api)
    return row


async def test_an_end_that_only_the_socket_took_counts(api, make_link):
    """The backend was away when End was pressed; the page says it again five minutes later."""
    lesson_id, token = await begun(api, make_link)
    start = api.clock()
    await lease(api)
    api.clock.at += 900
    assert (await track(api, "end-session", token))[1]["data"]["durationSeconds"] == 900
    await report(api, interval(lesson_id, start, start + 600, reason="button"))
    (row,) = await sessions(api)
    assert (row["sessionStatus"], row["endReason"], row["durationSeconds"]) == ("ended", "button", 600)


async def test_nobody_is_present_in_a_lesson_that_is_over(api, make_link):
    """Ended on the phone while the computer's page is still connected."""
    lesson_id, token = await begun(api, make_link)
    await lease(api)
    await report(api, interval(lesson_id, api.clock()))
    assert (await sweep(api))["present"] is True
    api.clock.at += 60
    await lease(api)
    await track(api, "end-session", token)
    await lease(api)
    row = await sweep(api)
    assert (row["sessionStatus"], row["present"]) == ("ended", False)


async def test_a_lesson_outlasts_a_long_outage(api, make_link):
    """Nothing reached the backend for hours while its socket was open: whatever comes first then, it goes on."""
    lesson_id, token = await begun(api, make_link)
    await lease(api)
    await report(api, interval(lesson_id, api.clock()))
    for _ in range(10):
        api.clock.at += 30
        await lease(api)
    api.clock.at += 9_000
    await track(api, "heartbeat", token)
    await lease(api)
    assert (await sweep(api))["sessionStatus"] == "active"
    api.clock.at += 60
    _, ended = await track(api, "end-session", token)
    assert ended["data"]["durationSeconds"] == 9_360


async def test_a_backend_that_starts_after_a_long_outage_asks_the_sockets_first(api, make_link, start_backend):
    """A beat that comes before any lease finds the lesson on; without its node it ends where it was last seen."""
    lesson_id, token = await begun(api, make_link)
    await lease(api)
    await report(api, interval(lesson_id, api.clock()))
    api.clock.at += 300
    await lease(api)
    api.clock.at += 3 * HOUR
    again = await start_backend()
    assert (await track(again, "heartbeat", token))[1]["data"]["status"] == "active"
    assert (await track(again, "start", token))[1]["data"]["status"] == "active"
    api.clock.at += 61
    row = await sweep(again)
    assert (row["sessionStatus"], row["durationSeconds"]) == ("timeout", 300)


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
@pytest.mark.parametrize("reason", ["lost", "button"])
async def test_a_nodes_wrong_clock_bills_nothing(api, make_link, ahead, reason):
    """Its leases tell how wrong it is: ten minutes stay ten minutes."""
    api.clock.at += 2 * HOUR
    lesson_id, _ = await begun(api, make_link)
    start = api.clock()
    await lease(api, ahead)
    await report(api, interval(lesson_id, start + ahead))
    for _ in range(20):
        api.clock.at += 30
        await lease(api, ahead)
    await report(api, interval(lesson_id, start + ahead, start + ahead + 600, reason=reason))
    api.clock.at += 4 * HOUR
    assert (await sweep(api))["durationSeconds"] == 600
    api.clock.at += 10 * 86_400
    await report(api, interval(lesson_id, start + ahead, start + ahead + 600, reason=reason))
    assert (await sweep(api))["durationSeconds"] == 600


async def test_presence_in_the_future_is_none(api, make_link):
    """Of a node that never sent a lease: what it says counts up to now; days ahead it is refused."""
    lesson_id, _ = await begun(api, make_link)
    start = api.clock()
    far = interval(lesson_id, start, start + 3_000 * 86_400, reason="lost", name="i2")
    (result,) = await report(api, far)
    assert result["status"] == "invalid"
    assert "ahead" in result["errors"][0]
    api.clock.at += 60
    await report(api, interval(lesson_id, start, start + HOUR, reason="lost"))
    assert (await sweep(api))["seenSeconds"] == 60
