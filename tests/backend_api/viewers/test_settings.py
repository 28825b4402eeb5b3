"""The switch of a room."""

import asyncio

import pytest
from pymongo.errors import AutoReconnect

from backend_api.viewers.documents import SETTINGS
from backend_api.viewers.settings import EVERY_KIND, REFRESH_SECONDS, REMEMBERED_SIGNATURES, RoomSwitches


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


async def test_a_switch_during_a_refresh_is_not_undone_by_it(mongo, clock):
    """What was read before the switch is older than it."""
    switches = RoomSwitches(mongo, [], clock)
    await switches.switch("auction:a", False)
    collection = switches._collection

    class Late:
        """Reads, and lets the switch happen before it gives what it read."""

        def find(self, *query):
            self.reading = collection.find(*query)
            return self

        async def to_list(self, length):
            found = await self.reading.to_list(length)
            switches._collection = collection
            await switches.switch("auction:a", True)
            return found

    switches._collection = Late()
    assert await switches.is_recorded("auction:a") is True


async def test_while_the_database_is_away_all_who_ask_fail_together(clock):
    """One attempt for all: nobody waits for the attempts of others."""
    attempts = []

    class Away:
        def find(self, *_query):
            return self

        async def to_list(self, _length):
            attempts.append(1)
            await asyncio.sleep(0.01)
            raise AutoReconnect("away")

    switches = RoomSwitches({SETTINGS: Away()}, [], clock)
    answers = await asyncio.gather(*(switches.is_recorded("auction:a") for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {AutoReconnect}
    assert len(attempts) == 1


async def test_a_signed_switch_counts_once(mongo, clock):
    """Replayed after a later change, signed or not, it changes nothing; every new signature does."""
    here, there = RoomSwitches(mongo, [], clock), RoomSwitches(mongo, [], clock)
    await here.switch("auction:a", True, "v1=1")
    for later in ("v1=2", None):
        await here.switch("auction:a", False, later)
        for switches in (here, there):
            await switches.switch("auction:a", True, "v1=1")
            assert await switches.is_recorded("auction:a") is False
    await there.switch("auction:a", True, "v1=3")
    clock.at += REFRESH_SECONDS
    assert await here.is_recorded("auction:a") is True


async def test_first_switches_at_once_all_count(mongo, clock):
    """A room that several processes switch for the first time at the same moment is one room, switched."""
    several = [RoomSwitches(mongo, [], clock) for _ in range(8)]
    await asyncio.gather(*(each.switch("auction:a", True, f"v1={n}") for n, each in enumerate(several)))
    found = await mongo[SETTINGS].find_one({"_id": "auction:a"})
    assert (found["a"], len(found["s"])) == (True, 8)


async def test_only_the_newest_signatures_are_kept(mongo, clock):
    """A room that is switched all day does not grow."""
    switches = RoomSwitches(mongo, [], clock)
    for number in range(REMEMBERED_SIGNATURES + 3):
        await switches.switch("auction:a", True, f"v1={number}")
    found = await mongo[SETTINGS].find_one({"_id": "auction:a"})
    assert found["s"] == [f"v1={number}" for number in range(3, REMEMBERED_SIGNATURES + 3)]
