"""What a change of the settings or the passing of time must not do to figures that were right."""

from zoneinfo import ZoneInfo

import pytest

from backend_api.engagement.documents import TRACK_STATS
from backend_api.engagement.upkeep import Upkeep
from backend_api.service.errors import Conflict, Unprocessable
from tests.backend_api.engagement.crashing import Crash, Crashing
from tests.backend_api.engagement.house import House

DAY = 86_400


def upkeep_of(house):
    return Upkeep(house.mongo, house.recounter, house.foundations, house.retention, house.clock, purges=True)


async def plays_of(house, collection):
    found = await house.mongo[collection].find({TRACK_STATS.key: "t1"}).to_list(None)
    return [document["totalPlays"] for document in found]


async def test_a_repetition_of_what_is_sealed_changes_nothing(house, event, clock):
    """However often a guest sends it again, with whatever moment of sending."""
    batch = [event("play", eventId=f"e{number}", ago=86 * DAY) for number in range(3)]
    await house.send(*batch)
    await house.fold()
    for _ in range(3):
        clock.at += DAY
        await upkeep_of(house).run()
        for again in batch:
            await house.send(again, sent_at=again["timestamp"] / 1_000)
        await house.fold()
        assert await house.counters("t1") == (3, 0, 0, 0)


async def test_a_batch_cut_off_on_the_last_open_day_is_counted_once(house, event, clock):
    """Though the day no longer takes events when it is taken up, and the hourly round has run in between."""
    crashing = Crashing(house.mongo)
    cut_off = House(crashing, clock)
    await house.send(*[event("play", eventId=f"e{number}", ago=88 * DAY) for number in range(5)])
    await house.fold()
    await cut_off.catalogue.known(["t1"], house.clock())
    crashing.arm(3)
    with pytest.raises(Crash):
        await cut_off.send(event("play", eventId="late", ago=88 * DAY))
    clock.at += DAY / 2 + 8 * 3_600
    await upkeep_of(house).run()
    assert (await house.fold()).recovered == 1
    await upkeep_of(house).run()
    assert await house.counters("t1") == (6, 0, 0, 0)
    assert await plays_of(house, "daily_stats") == [6]


async def test_a_longer_retention_does_not_recount_what_was_removed(house, event, clock, make_house):
    """A late event adds to the counters; the rollups of the time before stay, and rebuilding it is a conflict."""
    short = make_house(raw_days=30)
    await short.send(*[event("play", eventId=f"e{number}", ago=20 * DAY) for number in range(10)])
    await short.folder.run()
    clock.at += 40 * DAY
    await upkeep_of(short).run()
    longer = make_house(raw_days=90)
    await longer.folder.run()
    await longer.send(event("play", eventId="late", ago=60 * DAY))
    await longer.folder.run()
    for collection in TRACK_STATS.periods.values():
        assert await plays_of(longer, collection) == [10]
    day = longer.calendar.day_of(clock() - 60 * DAY)
    with pytest.raises(Conflict, match="only those from"):
        await upkeep_of(longer).rebuild(day, day)


async def test_days_to_come_cannot_be_rebuilt(house, clock):
    """They would never be closed."""
    today = house.calendar.day_of(clock())
    with pytest.raises(Unprocessable):
        await upkeep_of(house).rebuild(today, today.replace(year=9999))


async def test_until_the_first_event_the_time_zone_may_change(house, event, make_house):
    """Starting once before it is configured binds to nothing."""
    await house.folder.run()
    moved = make_house(zone=ZoneInfo("Europe/Berlin"))
    await moved.folder.run()
    assert moved.calendar.zone == "Europe/Berlin"
    await moved.send(event("play", eventId="e1"))
    again = make_house(zone=ZoneInfo("America/New_York"))
    await again.folder.run()
    assert again.calendar.zone == "Europe/Berlin"


async def test_the_time_zone_of_the_first_event_stays_in_force(house, event, clock, make_house):
    """Hours of two zones are not mixed: days go on as they were, whatever is configured now."""
    clock.at += 15 * 3_600
    await house.folder.run()
    await house.send(event("play", eventId="e1", ago=3_600))
    await house.folder.run()
    moved = make_house(zone=ZoneInfo("America/New_York"))
    await moved.folder.run()
    await moved.send(event("play", eventId="e2"))
    await moved.folder.run()
    assert moved.calendar.zone == "UTC"
    found = await house.mongo["daily_stats"].find().to_list(None)
    assert [(one["periodStart"].isoformat(), one["totalPlays"]) for one in found] == [("2026-11-22T00:00:00+00:00", 2)]
