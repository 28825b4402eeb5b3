"""Counting hours from raw events: how they are read is nothing that one could see."""

import asyncio
from random import Random

import pytest

from backend_api.contract.wire import at
from backend_api.engagement import recounting
from backend_api.engagement.documents import play_key
from backend_api.engagement.rollups import Ends, Figures, count

HOUR, DAY = 3_600, 86_400


def stored(dice, now, number):
    """Plays and ends of few ids, from visits that share them; anything else as a like."""
    moment = now - dice.choice([dice.random() * HOUR, dice.random() * 30 * HOUR, dice.randrange(3) * 300.0])
    kind = dice.choice(["play", "play", "playEnd", "like"])
    play_id, heard = f"p{dice.randrange(40)}", {"duration": float(number), "skipped": number < 20}
    own = {
        "play": {"source": "search", "person": f"u:{dice.randrange(9)}"},
        "playEnd": heard,
        "like": {"action": "like", "source": "player"},
    }[kind]
    if kind != "like":
        own |= {"playId": play_id, "play": play_key("t1", play_id, int(moment // DAY))}
    visit = {"sessionId": dice.choice("ab"), "trackId": "t1", "timestamp": at(round(moment, 3))}
    return {"_id": f"e{number}", "type": kind, **visit, **own}


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_read_together_the_figures_are_the_same(house, clock, monkeypatch, seed):
    """By slices or many hours at once, ends read ahead or looked up: as if all events were counted as they are."""
    dice = Random(seed)
    events = [stored(dice, clock(), number) for number in range(400)]
    for name, kinds in (("play_events", {"play", "playEnd"}), ("like_events", {"like"})):
        await house.mongo[name].insert_many([event for event in events if event["type"] in kinds])
    slots = sorted({house.calendar.slot_of(clock() - hours * HOUR) for hours in range(31) if hours % 7})
    ends = Ends(event for event in events if event["type"] == "playEnd")
    expected = {
        slot: count([e for e in events if e["type"] != "playEnd" and _slot(house, e) == slot], ends.of)
        for slot in slots
    }
    for at_once, too_many, many, near in ((5_000, 10_000, 1_000, 900), (5, 9, 3, 0), (40, 60, 20, 60)):
        monkeypatch.setattr(recounting, "EVENTS_AT_ONCE", at_once)
        monkeypatch.setattr(recounting, "TOO_MANY", too_many)
        monkeypatch.setattr(recounting, "MANY", many)
        monkeypatch.setattr(recounting, "NEAR_END_SECONDS", near)
        monkeypatch.setattr(recounting, "AHEAD_SECONDS", near)
        found = await house.recounter.hours("t1", slots, lambda _: dice.randrange(100))
        assert {slot: Figures.merged(parts) for slot, parts in found.items()} == {
            slot: Figures.merged([figures]) for slot, figures in expected.items()
        }
        slices = await house.recounter.slices("t1", slots[-1], [0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 3, 4])
        assert Figures.merged(slices.values()) == Figures.merged([expected[slots[-1]]])


async def test_ends_are_found_whether_many_plays_have_one_or_few(house, clock):
    """However many are asked for at once."""

    def event(kind, number):
        key = play_key("t1", f"p{number}", int(clock() // DAY))
        own = {"playId": f"p{number}", "play": key, "timestamp": at(clock())}
        return {"_id": f"{kind}{number}", "type": kind, "trackId": "t1", "sessionId": "s", **own}

    plays = [event("play", number) for number in range(900)]
    ended = {number for number in range(900) if number % 90 == 0 or 400 <= number < 600}
    await house.mongo["play_events"].insert_many([event("playEnd", number) for number in ended])
    found = await house.raw.ends_by_id(plays)
    assert sorted(end["_id"] for end in found) == sorted(f"playEnd{number}" for number in ended)


async def test_who_stops_counting_stops_reading(house, monkeypatch):
    """What was being read ahead is given up."""
    reading = set()
    between = house.raw.between

    async def slow(tracks, start_at, end_at, limit=0):
        if reading:
            reading.add(asyncio.current_task())
            await asyncio.Event().wait()
        reading.add(asyncio.current_task())
        return await between(tracks, start_at, end_at, limit)

    monkeypatch.setattr(house.raw, "between", slow)
    monkeypatch.setattr(recounting, "FIRST_SECONDS", HOUR)
    day = house.calendar.day_of(house.clock())
    counting = asyncio.create_task(house.recounter.hours("t1", house.calendar.slots_of(day)))
    while len(reading) < 2:
        await asyncio.sleep(0)
    counting.cancel()
    await asyncio.wait([counting, *reading], timeout=5)
    assert all(task.done() for task in reading)


def _slot(house, event):
    return house.calendar.slot_of(event["timestamp"].timestamp())
