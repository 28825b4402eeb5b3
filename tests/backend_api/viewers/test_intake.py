"""Which parts are taken."""

import pytest

from backend_api.viewers.documents import MARKS, PARTS, ROOMS
from backend_api.viewers.intake import Refused, Sent

ROOM = "auction:demo"
DAY = 86_400


async def test_each_part_is_judged_alone(viewers, make_part):
    """Invalid, disabled, new and known ones in one batch are answered in their order."""
    await viewers.switches.switch("auction:off", False)
    now = viewers.clock()
    good = make_part(now)
    sent = [Refused(["avgViewers: missing"]), Sent(ROOM, good), Sent("auction:off", good), Sent(ROOM, good)]
    results = await viewers.intake.take(sent, now)
    assert [result.status for result in results] == ["invalid", "saved", "disabled", "duplicate"]
    assert results[0].errors == ["avgViewers: missing"]


async def test_of_a_disabled_room_nothing_is_written(viewers, make_part):
    """No part, no mark, no room."""
    await viewers.switches.switch(ROOM, False)
    assert await viewers.take(make_part(viewers.clock())) == ["disabled"]
    for name in (PARTS, MARKS, ROOMS):
        assert await viewers.mongo[name].find({}).to_list(None) == []


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(0, "saved"), (300, "saved"), (400, "invalid"), (-6 * DAY, "saved"), (-7 * DAY - 60, "invalid")],
)
async def test_a_part_must_be_neither_from_the_future_nor_too_old(viewers_once, make_part, seconds, status):
    """Five minutes ahead at most; and only while all of its hour's parts are surely kept."""
    assert await viewers_once.take(make_part(viewers_once.clock() + seconds)) == [status]


async def test_a_part_without_a_timestamp_is_of_the_running_minute(viewers_once, make_part):
    """Whoever reports by hand reports now."""
    part = make_part(0).model_copy(update={"timestamp": None})
    viewers_once.clock.at += 31
    assert await viewers_once.take(part) == ["saved"]
    (point,) = (await viewers_once.history()).snapshots
    assert point.timestamp.timestamp() == viewers_once.clock.at - 31


async def test_an_empty_batch_is_answered_emptily(viewers_once):
    """Nothing in, nothing out, nothing written."""
    assert await viewers_once.intake.take([], viewers_once.clock()) == []
