"""Whatever is cut off between two writes, a retry makes good: the packed history equals a recount of the parts."""

import random
from itertools import groupby

import pytest
from pymongo.errors import AutoReconnect

from backend_api.viewers.documents import MARKS, PARTS, ROOMS, at_of, part_of
from backend_api.viewers.history import merge_minute
from backend_api.viewers.ranges import Span, floor_to

ROOMS_USED = ("auction:a", "auction:b")
HOUR = 3_600
WRITES = {"insert_many", "insert_one", "bulk_write", "replace_one", "delete_many"}


class Unreliable:
    """A collection whose writes fail now and then, before or after they are done, as a cut connection does."""

    def __init__(self, collection, dice, counter):
        self._collection = collection
        self._dice = dice
        self._counter = counter

    def __getattr__(self, name):
        method = getattr(self._collection, name)
        if name not in WRITES:
            return method

        async def maybe(*args, **kwargs):
            fate = self._dice.random()
            if fate < 0.15:
                self._counter.append(name)
                raise AutoReconnect("cut before")
            result = await method(*args, **kwargs)
            if fate < 0.3:
                self._counter.append(name)
                raise AutoReconnect("cut after")
            return result

        return maybe


class UnreliableMongo:
    """The database through a bad line."""

    def __init__(self, mongo, dice):
        self._mongo = mongo
        self._dice = dice
        self.cuts = []

    def __getitem__(self, name):
        return Unreliable(self._mongo[name], self._dice, self.cuts)


async def _until_done(attempt):
    while True:
        try:
            return await attempt()
        except AutoReconnect:
            continue


@pytest.mark.parametrize("seed", range(6))
async def test_cuts_and_restarts_between_any_two_writes_lose_no_packing(viewers_once, viewers_on, make_part, seed):
    """Batches in random order are sent until they are answered, by processes that die, while others pack."""
    clean, clock, dice = viewers_once, viewers_once.clock, random.Random(seed)
    line = UnreliableMongo(clean.mongo, dice)
    start = floor_to(clock(), HOUR)
    clock.at = start + 2 * HOUR
    processes = [viewers_on(line, clock), viewers_on(line, clock)]
    minutes = [(room, start + 60 * minute) for room in ROOMS_USED for minute in dice.sample(range(120), 40)]
    dice.shuffle(minutes)
    while minutes:
        batch, minutes = minutes[:7], minutes[7:]
        room = batch[0][0]
        parts = [make_part(at, dice.randrange(9)) for of, at in batch if of == room]
        minutes += [item for item in batch if item[0] != room]
        await _until_done(lambda parts=parts, room=room: dice.choice(processes).take(*parts, room=room))
        clock.at += dice.randrange(600)
        if dice.random() < 0.3:
            processes[dice.randrange(2)] = viewers_on(line, clock)
        if dice.random() < 0.5:
            await _until_done(dice.choice(processes).packer.run)

    clock.at += HOUR
    await clean.packer.run()
    assert await clean.mongo[MARKS].find({}).to_list(None) == []
    assert len(line.cuts) > 10
    for room in ROOMS_USED:
        parts = sorted(await clean.mongo[PARTS].find({"r": room}).to_list(None), key=at_of)
        recount = [merge_minute(at, map(part_of, found)) for at, found in groupby(parts, key=at_of)]
        span = Span(start, start + 3 * HOUR)
        assert await clean.reader.read(room, span, 60) == recount
        hours = {at - at % HOUR for at in (minute.at for minute in recount)}
        assert {hour.at for hour in await clean.reader.read(room, span, HOUR)} == hours
        assert await clean.reader.first_at(room) == recount[0].at
    assert len(await clean.mongo[ROOMS].find({}).to_list(None)) == len(ROOMS_USED)


async def test_a_kill_between_part_and_mark_is_made_good_by_the_retry(viewers_once, make_part, monkeypatch):
    """The part is there, nobody would pack it; the retry is a duplicate and marks the hour all the same."""
    viewers, hour_at = viewers_once, floor_to(viewers_once.clock(), HOUR)

    async def killed(*_):
        raise AutoReconnect("killed")

    with monkeypatch.context() as patched:
        patched.setattr(viewers.store, "_mark", killed)
        with pytest.raises(AutoReconnect):
            await viewers.take(make_part(hour_at, 3))
    assert await viewers.mongo[MARKS].find({}).to_list(None) == []
    reborn = viewers.other_process()
    assert await reborn.take(make_part(hour_at, 3)) == ["duplicate"]
    viewers.clock.at += 2 * HOUR
    await reborn.packer.run()
    assert [point.peak_viewers for point in (await reborn.history(resolution="1h")).snapshots] == [3]
