"""A batch on its way to counters and rollups, on the database."""

import asyncio
from datetime import date

import pytest

from backend_api.contract.events import TrackEntry
from backend_api.engagement import raw
from backend_api.engagement.documents import GROUP_STATS, TRACK_STATS
from backend_api.engagement.events import Sender
from backend_api.engagement.upkeep import Upkeep
from tests.backend_api.engagement.crashing import Crash, Crashing, Overtaken
from tests.backend_api.engagement.house import USER, House

OTHER = Sender(user_id="u2", is_trusted=False, has_consent=True, is_bot=False)
GUEST = Sender(user_id=None, is_trusted=False, has_consent=True, is_bot=False)
BOT = Sender(user_id=None, is_trusted=False, has_consent=True, is_bot=True)


@pytest.fixture(params=["pymongo", "motor"])
def driver(request):
    return request.param


async def daily(house, subject="t1", family=TRACK_STATS, collection="daily_stats"):
    return await house.mongo[collection].find_one({family.key: subject})


async def test_counters_move_at_once_and_stay_after_the_recount(house, event):
    """What a batch adds is seen before the job has run, and is the same after."""
    await house.send(event("play", eventId="e1"), event("share", eventId="e2"), event("like", eventId="e3"))
    before = await house.counters("t1")
    folded = await house.fold()
    assert before == await house.counters("t1") == (1, 1, 1, 0)
    assert (folded.days, folded.corrected) == (1, 0)


async def test_nothing_is_left_open_when_the_job_has_run(house, event):
    """A second round finds nothing to do."""
    await house.send(event("play", eventId="e1"), event("like", eventId="e2"))
    await house.fold()
    assert await house.tracks.open_ids(10) == []
    assert (await house.fold()).days == 0


async def test_a_batch_sent_twice_counts_once(house, event):
    """The event id decides."""
    batch = [event("play", eventId="e1"), event("like", eventId="e2"), event("download", eventId="e3")]
    first, second = await house.send(*batch), await house.send(*batch)
    assert (first.accepted, first.duplicates, second.accepted, second.duplicates) == (3, 0, 0, 3)
    assert await house.counters("t1") == (1, 1, 0, 1)


async def test_a_like_that_arrives_twice_at_the_same_time_is_counted_once_at_once(house, event):
    """A page that is closed hands over twice; the counters do not wait for the recount to be right."""
    for number in range(10):
        like = event("like", eventId=f"e{number}")
        sender = Sender(f"u{number}", is_trusted=False, has_consent=True, is_bot=False)
        await asyncio.gather(*(house.send(like, sender=sender) for _ in range(4)))
        assert (await house.counters("t1"))[1] == number + 1


async def test_what_somebody_else_repeats_stays_with_whom_it_came_from_first(house, event):
    """The same tab before and after another login: one like, of the first user, who alone can take it back."""
    await house.send(event("like", eventId="e1", ago=9), sender=USER)
    assert (await house.send(event("like", eventId="e1", ago=9), sender=OTHER)).duplicates == 1
    await house.fold()
    assert await house.counters("t1") == (0, 1, 0, 0)
    await house.send(event("like", eventId="e2", action="unlike"), sender=USER)
    assert await house.counters("t1") == (0, 0, 0, 0)


async def test_a_guests_like_repeated_by_a_user_is_still_a_guests(house, event):
    """Whether an event counts was decided when it was stored; the other way round it goes on counting."""
    for event_id, senders, likes in (("e1", (GUEST, USER), 0), ("e2", (USER, GUEST), 1)):
        for sender in senders:
            await house.send(event("like", eventId=event_id), sender=sender)
        await house.fold()
        assert (await house.counters("t1"))[1] == likes


async def test_without_an_id_the_same_event_is_still_the_same(house, event):
    """The id is derived from the content."""
    await house.send(event("play"))
    assert (await house.send(event("play"))).duplicates == 1


async def test_an_id_with_other_content_is_a_conflict_and_the_first_is_kept(house, event):
    """Also within one batch."""
    first = event("share", eventId="e1", platform="embed")
    other = event("share", eventId="e1", platform="twitter")
    assert (await house.send(first, other)).rejected == [(1, "conflict")]
    assert (await house.send(other)).rejected == [(0, "conflict")]
    assert (await house.mongo["share_events"].find_one({"_id": "e1"}))["platform"] == "embed"


async def test_an_id_is_one_events_of_whatever_type(house, event):
    """In one batch and in two; the first is kept."""
    assert (await house.send(event("play", eventId="e1"), event("share", eventId="e1"))).rejected == [(1, "conflict")]
    assert (await house.send(event("download", eventId="e1"))).rejected == [(0, "conflict")]
    assert (await house.send(event("play", eventId="e1"))).duplicates == 1
    assert await house.counters("t1") == (1, 0, 0, 0)


async def test_plays_of_two_visits_may_have_the_same_id(house, event):
    """Each takes the end of its own visit; an end of another visit is better than none."""
    for visit, heard in (("s1", 5.0), ("s2", 180.0)):
        await house.send(event("play", eventId=f"play-{visit}", playId="1", sessionId=visit, ago=300))
        await house.send(event("playEnd", eventId=f"end-{visit}", playId="1", sessionId=visit, duration=heard))
    await house.send(event("play", eventId="lone", playId="2", sessionId="s3", ago=300))
    await house.send(event("playEnd", eventId="end", playId="2", sessionId="s4", duration=40.0))
    await house.fold()
    assert ((await daily(house))["avgDuration"], (await daily(house))["skipRate"]) == (75.0, 0.3333)


async def test_an_id_that_thousands_of_plays_have_costs_no_more_than_others(house, event, monkeypatch):
    """Then every slice in which it may have begun is recounted, so that the figures are right all the same."""
    monkeypatch.setattr(raw, "MANY_OF_ONE_ID", 3)
    await house.send(*[event("play", eventId=f"e{number}", playId="1", ago=600 * number) for number in range(8)])
    await house.fold()
    await house.send(event("playEnd", eventId="end", playId="1", duration=30.0))
    await house.fold()
    assert (await daily(house))["avgDuration"] == 30.0
    hours = await house.stats.hours(TRACK_STATS, "t1", date(2026, 11, 21), date(2026, 11, 21))
    assert sum(figures.sums.ended for figures in hours[date(2026, 11, 21)].values()) == 8


async def test_an_end_completes_its_play_in_either_order(house, event):
    """One play, its end an hour later, in both orders: the hour of the play gets the duration."""
    start = event("play", eventId="e1", playId="p1", ago=4_000)
    end = event("playEnd", eventId="e2", duration=90.0, trackDuration=180.0)
    other_start = event("play", "t2", eventId="e3", playId="p1", ago=4_000)
    other_end = event("playEnd", "t2", eventId="e4", duration=90.0, trackDuration=180.0)
    for one in (start, end, other_end, other_start):
        await house.send(one)
        await house.fold()
    for track in ("t1", "t2"):
        found = await daily(house, track)
        assert (found["totalPlays"], found["avgDuration"], found["avgCompletionRate"]) == (1, 90.0, 50.0)
        hours = await house.stats.hours(TRACK_STATS, track, date(2026, 11, 21), date(2026, 11, 21))
        assert {hour: f.sums.ended for hour, f in hours[date(2026, 11, 21)].items()} == {9: 1}


async def test_nobody_hears_for_longer_than_since_it_began(house, event):
    """An end of a day and a track of a second that come with the play; a minute is left to how exact times are."""
    liar = {"eventId": "end", "playId": "p1", "duration": 86_400.0, "trackDuration": 1.0}
    await house.send(event("play", eventId="start", playId="p1", ago=30), event("playEnd", **liar))
    await house.fold()
    found = await daily(house)
    assert (found["avgDuration"], found["avgCompletionRate"], found["skipRate"]) == (90.0, 50.0, 0.0)
    assert (await house.mongo["play_events"].find_one({"_id": "end"}))["duration"] == 86_400.0


async def test_an_end_of_unknown_length_is_held_against_the_catalogues(house, event):
    """Whose entry may come later, or change: to this process at once, to another in minutes."""
    await house.catalogue.put_tracks({"t1": TrackEntry(artist_id="a", title="Title", duration_seconds=0)})
    other = House(house.mongo, house.clock)
    for number, seconds in enumerate((0, 300, 300)):
        await house.catalogue.put_tracks({"t1": TrackEntry(artist_id="a", title="Title", duration_seconds=seconds)})
        sender = (house, house, other)[number]
        await sender.send(event("play", eventId=f"e{number}", duration=150.0, trackDuration=0.0))
    kept = await house.mongo["play_events"].find().to_list(None)
    assert {one["_id"]: one.get("completionRate") for one in kept} == {"e0": None, "e1": 50.0, "e2": 50.0}


async def test_another_process_hears_of_a_tracks_length_in_minutes(house, event, clock):
    """It remembers what it knew."""
    other = House(house.mongo, clock)
    assert await other.catalogue.known(["t1", "nobody"], clock()) == {"t1": 180}
    await house.catalogue.put_tracks({"t1": TrackEntry(artist_id="a", title="Title", duration_seconds=60)})
    assert await other.catalogue.known(["t1"], clock()) == {"t1": 180}
    assert await other.catalogue.known(["t1"], clock() + 601) == {"t1": 60}


async def test_a_play_without_an_end_is_left_out_of_averages(house, event):
    """It is a play all the same."""
    await house.send(event("play", eventId="e1"), event("play", eventId="e2", duration=10.0, trackDuration=100.0))
    await house.fold()
    found = await daily(house)
    assert (found["totalPlays"], found["avgDuration"], found["skipRate"]) == (2, 10.0, 1.0)


async def test_a_late_event_changes_its_own_day_week_month_and_year_and_no_other(house, event):
    """Everything it is part of is replaced."""
    await house.send(event("play", eventId="e1"))
    await house.fold()
    today = await daily(house)
    await house.send(event("play", eventId="e2", ago=30 * 86_400))
    await house.fold()
    for collection, days in {"daily_stats": 2, "weekly_stats": 2, "monthly_stats": 2, "yearly_stats": 1}.items():
        found = await house.mongo[collection].find({"trackId": "t1"}).to_list(None)
        assert len(found) == days
        assert sum(one["totalPlays"] for one in found) == 2
    assert today == await house.mongo["daily_stats"].find_one({"_id": today["_id"]})


async def test_likes_count_people_by_their_newest_action(house, event):
    """In any order; unliking what was never liked makes nothing negative."""
    await house.send(event("like", eventId="e1", ago=10, action="unlike"))
    assert (await house.counters("t1"))[1] == 0
    await house.send(event("like", eventId="e2", ago=5))
    await house.send(event("like", eventId="e3", ago=20, action="unlike"))
    assert (await house.counters("t1"))[1] == 1
    await house.fold()
    assert (await house.counters("t1"))[1] == 1
    found = await daily(house)
    assert (found["totalLikes"], found["totalUnlikes"]) == (1, 2)


async def test_guests_likes_and_bots_are_kept_but_not_counted(house, event):
    """The raw events say why."""
    await house.send(event("like", eventId="e1"), sender=GUEST)
    await house.send(event("play", eventId="e2"), sender=BOT)
    await house.fold()
    assert await house.counters("t1") == (0, 0, 0, 0)
    assert (await house.mongo["like_events"].find_one({"_id": "e1"}))["uncounted"] == "guest"
    assert (await house.mongo["play_events"].find_one({"_id": "e2"}))["uncounted"] == "bot"


async def test_an_artist_and_the_whole_house_have_rollups_of_their_own(house, event):
    """Uniques are those of the group, plays are broken down by track."""
    await house.send(event("play", eventId="e1"), event("play", "t2", eventId="e2"), event("play", "t3", eventId="e3"))
    await house.fold()
    artist = await daily(house, "artist:a", GROUP_STATS, "group_daily_stats")
    everything = await daily(house, "all", GROUP_STATS, "group_daily_stats")
    assert (artist["totalPlays"], artist["uniquePlays"]) == (2, 1)
    assert (everything["totalPlays"], everything["uniquePlays"]) == (3, 1)
    assert dict(everything["figures"]["tracks"]) == {"t1": 1, "t2": 1, "t3": 1}


async def test_days_that_can_no_longer_change_become_one_sum(house, event):
    """Sealing twice changes nothing."""
    await house.send(event("play", eventId="e1", ago=50 * 86_400), event("play", eventId="e2"))
    await house.fold()
    for _ in range(2):
        await house.tracks.settle(date(2026, 11, 21), date(2026, 11, 1))
    assert await house.counters("t1") == (2, 0, 0, 0)
    kept = await house.mongo["tracks"].find_one({"_id": "t1"})
    assert (kept["days"], list(kept["hours"]), kept["sealed"]["plays"]) == ({}, ["2026-11-21T10"], 1)


async def test_a_retry_repairs_what_was_cut_off_without_waiting_for_recovery(house, event, clock):
    """The events are there, the marks are not: sending them again is enough."""
    crashing = Crashing(house.mongo)
    cut_off = House(crashing, house.clock)
    batch = [event("play", eventId="e1"), event("like", eventId="e2")]
    await cut_off.catalogue.known(["t1"], house.clock())
    crashing.arm(4)  # the intent, the ids and two inserts pass
    with pytest.raises(Crash):
        await cut_off.send(*batch)
    clock.at += 6
    assert (await house.send(*batch)).duplicates == 2
    folded = await house.fold()
    assert await house.counters("t1") == (1, 1, 0, 0)
    assert (folded.recovered, folded.corrected) == (0, 1)


async def test_what_recovery_sets_right_is_told(house, event, clock):
    """A batch that was cut off and never sent again is taken up once it is old, and its day is counted as corrected."""
    crashing = Crashing(house.mongo)
    cut_off = House(crashing, house.clock)
    await cut_off.catalogue.known(["t1"], house.clock())
    crashing.arm(3)
    with pytest.raises(Crash):
        await cut_off.send(event("play", eventId="e1"))
    assert (await house.fold()).recovered == 0
    clock.at += 121
    folded = await house.fold()
    assert (folded.recovered, folded.corrected) == (1, 1)
    assert await house.counters("t1") == (1, 0, 0, 0)


async def test_a_batch_that_slept_past_its_recovery_and_then_died_is_taken_up_again(house, event, clock):
    """Its process stood still between its intent and its events, inserted them minutes later, and told no counter."""
    recovered = []

    async def much_later():
        clock.at += 125
        recovered.append((await house.fold()).recovered)

    asleep = House(Overtaken(house.mongo, after=1, meanwhile=much_later, more=1), clock)
    with pytest.raises(Crash):
        await asleep.send(event("play", eventId="e1"))
    assert recovered == [1]
    assert await house.counters("t1") == (0, 0, 0, 0)
    clock.at += 3_601
    await house.fold()
    assert await house.counters("t1") == (1, 0, 0, 0)
    assert (await daily(house))["totalPlays"] == 1
    assert await house.mongo["engagement_intents"].find().to_list(None) == []


async def test_a_like_that_was_cut_off_is_taken_up_with_its_opinion(house, event, clock):
    """The event is there, whose opinion it is was not kept yet."""
    crashing = Crashing(house.mongo)
    cut_off = House(crashing, house.clock)
    await cut_off.catalogue.known(["t1"], house.clock())
    crashing.arm(3)
    with pytest.raises(Crash):
        await cut_off.send(event("like", eventId="e1"))
    clock.at += 121
    await house.fold()
    assert await house.counters("t1") == (0, 1, 0, 0)


async def test_somebody_elses_repetition_repairs_the_like_of_whoever_was_cut_off(house, event):
    """The event is there, no opinion yet; it becomes the one of the first sender."""
    crashing = Crashing(house.mongo)
    cut_off = House(crashing, house.clock)
    await cut_off.catalogue.known(["t1"], house.clock())
    crashing.arm(3)
    with pytest.raises(Crash):
        await cut_off.send(event("like", eventId="e1"))
    await house.send(event("like", eventId="e1"), sender=OTHER)
    assert [like["_id"] for like in await house.mongo["track_likes"].find().to_list(None)] == ["t1|u:u1"]


async def test_a_day_whose_events_are_going_keeps_its_totals(house, event, clock):
    """Nothing is recounted from half a day; what is pending is added."""
    await house.send(event("play", eventId="e1", ago=87 * 86_400))
    await house.fold()
    await house.send(event("play", eventId="e2", ago=87 * 86_400))
    clock.at += 5 * 86_400
    await house.mongo["play_events"].delete_many({})
    await house.fold()
    assert await house.counters("t1") == (2, 0, 0, 0)


async def test_the_purge_removes_what_is_too_old_and_nothing_else(house, event, clock):
    """An hour of events at once, with a rest in between."""
    for days in (1, 80, 85):
        await house.send(event("play", eventId=f"e{days}", ago=days * 86_400))
    await house.fold()
    clock.at += 8 * 86_400
    rests = []

    async def rest(seconds):
        rests.append(seconds)

    upkeep = Upkeep(house.mongo, house.recounter, house.foundations, house.retention, clock, purges=True)
    await upkeep.purge("play_events", rest)
    left = await house.mongo["play_events"].find().to_list(None)
    assert [one["_id"] for one in left] == ["e1", "e80"]
    assert len(rests) == 1
    await house.tracks.settle(house.calendar.day_of(clock()), house.retention.first_open_day(clock()))
    assert await house.counters("t1") == (3, 0, 0, 0)
