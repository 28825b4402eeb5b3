"""Two who believe to have the lease: what the newer round wrote stays, whatever the older one still sends."""

import contextlib

import pytest

from backend_api.engagement.documents import GROUP_STATS, TRACK_STATS
from tests.backend_api.engagement.crashing import Crash, Overtaken
from tests.backend_api.engagement.house import House

MORE = [0, 1, 2, 5, 100]
STOPS = [(after, MORE[(after + after // 5) % 5]) for after in range(25)]
"""After which of its steps the older one is overtaken, and how many it still makes."""


async def rollups(house):
    """Everything that is kept of tracks, artists and all, without who wrote it and when."""
    found = {}
    for family in (TRACK_STATS, GROUP_STATS):
        for name in (family.hours, *family.periods.values()):
            for document in await house.mongo[name].find({family.key: {"$exists": True}}).to_list(None):
                kept = {key: value for key, value in document.items() if key not in ("run", "createdAt")}
                found[name, kept.pop("_id")] = kept
    return found


async def begin(house, event):
    await house.send(event("play", "t1", eventId="e1"), event("play", "t2", eventId="e2", ago=3 * 86_400))


async def test_every_step_of_a_round_is_one_of_the_stops(house, event):
    """A round that nobody overtakes has no more steps than there are stops."""
    await begin(house, event)
    alone = House(Overtaken(house.mongo, float("inf"), None, 0), house.clock)
    await alone.fold()
    assert 0 < alone.mongo.steps <= len(STOPS)


@pytest.mark.parametrize(("after", "more"), STOPS)
async def test_a_round_that_was_overtaken_replaces_nothing_that_is_newer(house, event, after, more):
    """It stops anywhere, a newer one rolls up what came meanwhile, it goes on for some steps and is killed."""
    happened = []

    async def newer():
        happened.append(True)
        batch = [event("play", eventId="e3"), event("like", eventId="e4"), event("play", "t3", eventId="e5")]
        await house.send(*batch, event("share", "t2", eventId="e6", ago=3 * 86_400))
        await house.fold()

    await begin(house, event)
    slow = House(Overtaken(house.mongo, after, newer, more), house.clock)
    with contextlib.suppress(Crash):
        await slow.fold()
    if not happened:
        await newer()
    while (await house.fold()).days:
        pass
    found = await rollups(house)
    days = list(house.calendar.days_between(house.clock() - 4 * 86_400, house.clock()))
    await house.tracks.reopen(["t1", "t2", "t3"], days, house.clock())
    while (await house.fold()).days:
        pass
    assert await rollups(house) == found
    assert sum(kept["totalPlays"] for (name, _), kept in found.items() if name == "daily_stats") == 4
