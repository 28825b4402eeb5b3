"""What goes, when, and how quietly."""

import time
from dataclasses import replace

import pytest
from pymongo import MongoClient

from backend_api.viewers.documents import DAYS, HOURS, MARKS, PARTS, ROOMS
from backend_api.viewers.purge import REST_FACTOR, Purge

DAY = 86_400


async def sizes(viewers):
    return [len(await viewers.mongo[name].find({}).to_list(None)) for name in (PARTS, HOURS, DAYS, ROOMS)]


async def test_everything_goes_at_its_own_time(viewers, make_part):
    """Parts after eight days, minutes after ninety, summaries and the room after two years."""
    start = viewers.clock()
    purge = Purge(viewers.mongo, viewers.keeping, viewers.clock, sleep=_no_sleep)
    await viewers.take(*(make_part(start - 60 * minute, 3) for minute in range(90)))
    viewers.clock.at = start + 7_200
    await viewers.packer.run()
    await purge.run()
    assert await sizes(viewers) == [90, 2, 1, 1]
    for days, left in ((8, [0, 2, 1, 1]), (89, [0, 2, 1, 1]), (91, [0, 0, 1, 1]), (729, [0, 0, 1, 1])):
        viewers.clock.at = start + days * DAY + 60
        await purge.run()
        assert await sizes(viewers) == left
        assert (await viewers.history(resolution="1d")).summary.total_snapshots == 90
    viewers.clock.at = start + 732 * DAY
    await purge.run()
    assert await sizes(viewers) == [0, 0, 0, 0]
    assert await viewers.mongo[MARKS].find({}).to_list(None) == []


async def test_it_rests_longer_than_it_works_and_takes_little_at_once(viewers_once, make_part):
    """Twelve hours that are over go hour by hour, each followed by a rest."""
    viewers, rests = viewers_once, []

    async def rest(seconds):
        rests.append(seconds)

    await viewers.take(*(make_part(viewers.clock() - 600 * index) for index in range(72)))
    viewers.clock.at += 9 * DAY
    await Purge(viewers.mongo, viewers.keeping, viewers.clock, sleep=rest).run()
    assert await sizes(viewers) == [0, 0, 0, 1]
    assert len(rests) >= 12
    assert all(seconds > 0 for seconds in rests)
    assert REST_FACTOR >= 9


async def test_changed_settings_govern_what_is_already_there(viewers_once, make_part):
    """Seven days instead of ninety: the older minutes go with the next round, their summaries stay."""
    viewers = viewers_once
    await viewers.take(make_part(viewers.clock(), 3))
    viewers.clock.at += 8 * DAY + 60
    await viewers.packer.run()
    shorter = replace(viewers.keeping, minutes_seconds=7 * DAY)
    await Purge(viewers.mongo, shorter, viewers.clock, sleep=_no_sleep).run()
    assert await sizes(viewers) == [0, 0, 1, 1]


async def _no_sleep(_seconds):
    pass


@pytest.mark.parametrize(("days", "left"), [(7, [1, 1, 1, 1]), (9, [0, 1, 1, 1]), (91, [0, 0, 1, 1]), (732, [0] * 4)])
async def test_where_there_are_ttl_indexes_they_remove_the_same(
    open_mongo, viewers_on, clock, make_part, embedded_url, days, left
):
    """By the database's own clock, without the purge."""
    clock.at = time.time() - days * DAY
    viewers = await viewers_on(open_mongo(embedded=False), clock).ensure()
    await viewers.take(make_part(clock.at))
    clock.at += 7_200
    await viewers.packer.run()
    with MongoClient(embedded_url) as client:
        client.admin.command("secantusAdmin.pruneTtl")
    assert await sizes(viewers) == left
