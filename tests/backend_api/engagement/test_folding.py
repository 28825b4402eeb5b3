"""What the job reads, closes and leaves open, while batches go on coming in."""

import asyncio

import pytest

from backend_api.engagement import folding, recounting
from backend_api.engagement.events import Sender
from backend_api.engagement.intents import Intent
from backend_api.engagement.reading import EVERYBODY, Reader, of_artist, of_track
from backend_api.engagement.upkeep import Upkeep
from tests.backend_api.engagement.crashing import Crash, Crashing
from tests.backend_api.engagement.house import House

HOUR = 3_600


@pytest.fixture(params=["pymongo", "motor"])
def driver(request):
    return request.param


async def open_buckets(house, track="t1"):
    return sorted((await house.mongo["tracks"].find_one({"_id": track})).get("open", {}))


class Interrupted:
    """Stands for the recounter: before the recount of a track is used, something else happens."""

    def __init__(self, recounter, meanwhile):
        self._recounter, self._meanwhile = recounter, meanwhile

    def __getattr__(self, name):
        return getattr(self._recounter, name)

    async def hours(self, *args):
        found = await self._recounter.hours(*args)
        await self._meanwhile()
        return found


async def test_an_hour_that_goes_on_does_not_keep_others_open(house, event):
    """Whatever comes in while the job runs opens its own hour only, and is counted once at once."""
    await house.send(event("play", eventId="before", ago=HOUR), event("play", eventId="now"))
    number = iter(range(100))

    async def another():
        await house.send(event("play", eventId=f"e{next(number)}"))

    house.folder._recounter = Interrupted(house.recounter, another)
    for round_ in range(1, 4):
        await house.fold()
        assert await open_buckets(house) == ["2026-11-21T10"]
        assert await house.counters("t1") == (2 + round_, 0, 0, 0)
    house.folder._recounter = house.recounter
    assert (await house.fold()).corrected == 0
    assert await open_buckets(house) == []


async def test_what_a_rebuild_marked_is_closed_beside_an_hour_that_goes_on(house, event):
    """Its end can be waited for, however much is going on."""
    await house.send(event("play", eventId="before", ago=HOUR), event("play", eventId="now"))
    await house.fold()
    today = house.calendar.day_of(house.clock())
    await Upkeep(house.mongo, house.recounter, house.foundations, house.retention, house.clock, purges=True).rebuild(
        today, today
    )
    number = iter(range(100))

    async def another():
        await house.send(event("play", eventId=f"e{next(number)}"))

    house.folder._recounter = Interrupted(house.recounter, another)
    await house.fold()
    assert await house.tracks.number_of_open_days((today, today)) == 0
    assert await open_buckets(house) == ["2026-11-21T10"]


async def test_of_a_busy_hour_only_the_slices_that_changed_are_read_again(house, event, monkeypatch):
    """Also after another process has closed the hour: then all are, for who knows what that one saw."""
    monkeypatch.setattr(recounting, "MANY", 1)
    read = []
    between = house.raw.between

    async def watched(tracks, start_at, end_at, limit=0):
        read.append(round(end_at - start_at))
        return await between(tracks, start_at, end_at, limit)

    house.raw.between = watched
    await house.send(*[event("play", eventId=f"e{number}", ago=60 * number) for number in range(20)])
    await house.fold()
    assert read == [HOUR]
    await house.send(event("play", eventId="more", ago=7 * 60))
    await house.fold()
    assert read == [HOUR, 300]
    other = House(house.mongo, house.clock)
    await house.send(event("play", eventId="again", ago=7 * 60))
    await other.fold()
    await house.send(event("play", eventId="last"))
    await house.fold()
    assert read == [HOUR, 300, HOUR]
    assert (await house.mongo["daily_stats"].find_one({"trackId": "t1"}))["totalPlays"] == 23


async def test_no_track_waits_for_ever_behind_busy_ones(house, event, monkeypatch, clock):
    """Those that were left alone longest come first."""
    monkeypatch.setattr(folding, "TRACKS_PER_RUN", 1)
    for track in ("t3", "t1", "t2"):
        await house.send(event("play", track, eventId=track))
    for number in range(4):
        clock.at += 1
        await house.fold()
        await house.send(event("play", eventId=f"busy{number}"))
    assert await house.mongo["daily_stats"].count_documents({}) == 3


async def test_a_track_that_cannot_be_rolled_up_does_not_stop_the_others(house, event, monkeypatch):
    """It stays open, and the log says so."""
    await house.send(event("play", "t1", eventId="e1"), event("play", "t2", eventId="e2"))
    hours = house.recounter.hours

    async def broken(track, *args):
        if track == "t1":
            raise OverflowError
        return await hours(track, *args)

    monkeypatch.setattr(house.recounter, "hours", broken)
    await house.fold()
    assert [one["trackId"] async for one in house.mongo["daily_stats"].find()] == ["t2"]
    assert await open_buckets(house) == ["2026-11-21T10"]


async def test_hours_that_a_batch_is_being_stored_into_stay_open(house, event, clock):
    """The recount may know of events that the counters will be told of; after a while it was cut off."""
    await house.send(event("play", eventId="e1"))
    slot = house.calendar.slot_of(clock())
    await house.folder._intents.write(Intent("b", clock(), frozenset({("t1", slot)}), frozenset()))
    await house.fold()
    assert await open_buckets(house) == ["2026-11-21T10"]
    clock.at += 6
    await house.fold()
    assert await open_buckets(house) == []


async def test_what_was_cut_off_is_not_promised_to_be_in_the_figures(house, event, clock):
    """Until it is taken up, figures are as of when it came."""
    crashing = Crashing(house.mongo)
    cut_off = House(crashing, clock)
    await cut_off.catalogue.known(["t1"], house.clock())
    started_at = clock()
    crashing.arm(3)
    with pytest.raises(Crash):
        await cut_off.send(event("play", eventId="e1"))
    clock.at += 100
    await house.fold()
    reader = Reader(house.mongo, house.stats, house.retention, clock)
    for subject, at in ((of_track("t1"), started_at), (EVERYBODY, started_at), (of_artist("b"), clock())):
        assert (await reader.freshness(subject)).as_of.timestamp() == at


async def test_a_rebuild_does_not_hide_since_when_events_wait(house, event, clock):
    """Figures are as of the first of them."""
    await house.send(event("play", eventId="e1", ago=5 * 86_400))
    started_at = clock()
    clock.at += 100
    day = house.calendar.day_of(clock() - 5 * 86_400)
    await Upkeep(house.mongo, house.recounter, house.foundations, house.retention, clock, purges=True).rebuild(day, day)
    reader = Reader(house.mongo, house.stats, house.retention, clock)
    assert (await reader.freshness(of_track("t1"))).as_of.timestamp() == started_at


async def test_a_track_that_moves_is_regrouped_though_the_request_was_cut_off(house, event):
    """The next round of the job makes both artists' figures anew."""
    await house.send(event("play", eventId="e1"))
    await house.fold()
    await house.start_without_indexes("b", ["t1"])
    await house.fold()
    await house.fold()
    groups = {
        d["group"]: d["totalPlays"] async for d in house.mongo["group_daily_stats"].find({"group": {"$exists": True}})
    }
    assert groups == {"all": 1, "artist:b": 1}


async def test_likers_are_counted_as_they_come_and_not_all_over_again(house, event, monkeypatch):
    """Counting them all costs what the track has, not what has changed."""
    monkeypatch.setattr(house.folder._likes, "likers", None)
    people = [Sender(f"u{number}", is_trusted=False, has_consent=True, is_bot=False) for number in range(3)]
    for number, person in enumerate(people):
        await house.send(event("like", eventId=f"e{number}", ago=60), sender=person)
    await house.send(event("like", eventId="again", action="unlike"), sender=people[0])
    await house.send(event("like", eventId="e1", ago=60), sender=people[1])
    await house.fold()
    assert (await house.counters("t1"))[1] == 2


async def test_likes_and_unlikes_at_the_same_time_are_counted_exactly(house, event):
    """Each change replaces exactly what it saw."""
    ann = Sender("ann", is_trusted=False, has_consent=True, is_bot=False)
    actions = ["like", "unlike"] * 6
    batches = [event("like", eventId=f"e{n}", action=a, ago=60 - n) for n, a in enumerate(actions)]
    await asyncio.gather(*(house.send(batch, sender=ann) for batch in batches))
    assert (await house.counters("t1"))[1] == 0
    await house.send(event("like", eventId="last"), sender=ann)
    assert (await house.counters("t1"))[1] == 1


async def test_the_audit_recounts_likes_from_the_events(house, event):
    """And so finds what is wrong with the state that was derived from them."""
    upkeep = Upkeep(house.mongo, house.recounter, house.foundations, house.retention, house.clock, purges=True)
    await house.send(event("like", eventId="e1"))
    await house.fold()
    assert (await upkeep.audit("t1")).equal
    await house.mongo["track_likes"].delete_many({})
    await house.mongo["tracks"].update_one({"_id": "t1"}, {"$set": {"likes.value": 0}})
    audit = await upkeep.audit("t1")
    assert (audit.counters.like_count, audit.recount.like_count, audit.equal) == (0, 1, False)
