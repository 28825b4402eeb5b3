"""The switch of a room."""

import pytest

from backend_api.viewers.settings import EVERY_KIND, REFRESH_SECONDS, RoomSwitches


@pytest.mark.parametrize(
    ("kinds", "recorded"),
    [([], set()), (["auction"], {"auction:a"}), ([EVERY_KIND], {"auction:a", "call:b"})],
)
async def test_a_room_that_was_never_switched_follows_its_kind(mongo, clock, kinds, recorded):
    """Off unless the configuration names the kind."""
    assert await RoomSwitches(mongo, kinds, clock).recorded({"auction:a", "call:b"}) == recorded


async def test_a_switch_is_seen_here_at_once_and_elsewhere_soon(mongo, clock):
    """The other process hears of it within the refresh time, both ways, again and again."""
    here, there = RoomSwitches(mongo, [], clock), RoomSwitches(mongo, [], clock)
    for recorded in (True, False, True):
        assert await there.is_recorded("auction:a") is not recorded
        await here.switch("auction:a", recorded)
        assert await here.is_recorded("auction:a") is recorded
        assert await there.is_recorded("auction:a") is not recorded
        clock.at += REFRESH_SECONDS
        assert await there.is_recorded("auction:a") is recorded


async def test_a_switch_outlives_the_process(mongo, clock):
    """A process that starts reads all there is."""
    await RoomSwitches(mongo, [EVERY_KIND], clock).switch("auction:a", False)
    assert await RoomSwitches(mongo, [EVERY_KIND], clock).recorded({"auction:a", "auction:b"}) == {"auction:b"}


async def test_a_clock_that_was_set_back_does_not_keep_changes_away(mongo, clock):
    """An hour back is no reason to trust what is in memory for an hour."""
    here, there = RoomSwitches(mongo, [], clock), RoomSwitches(mongo, [], clock)
    await there.is_recorded("auction:a")
    clock.at -= 3_600
    await here.switch("auction:a", True)
    assert await there.is_recorded("auction:a") is True
