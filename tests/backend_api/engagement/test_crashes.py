"""Whatever is cut off wherever: in the end raw events, counters and rollups say the same."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from backend_api.db import Mongo
from backend_api.engagement import recounting
from backend_api.engagement.documents import GROUP_STATS, RAW, TRACK_STATS
from backend_api.engagement.events import Sender
from backend_api.engagement.rollups import Ends, count
from tests.backend_api.engagement.crashing import Crash, Crashing
from tests.backend_api.engagement.house import House

NOW = 1_795_257_000.0
TRACKS = ("t1", "t2")
GROUPS = {"artist:a": TRACKS, "all": TRACKS}
DAY_MS = 86_400_000


class Clock:
    def __init__(self):
        self.at = NOW

    def __call__(self):
        return self.at


def a_person(name):
    return Sender(user_id=name, is_trusted=False, has_consent=True, is_bot=False)


@st.composite
def events(draw):
    """Few tracks, few days, few plays: so that events meet."""
    kind = draw(st.sampled_from(["play", "play", "playEnd", "like", "save", "share", "download"]))
    own = {
        "play": {"source": "search"},
        "playEnd": {"duration": draw(st.sampled_from([10.0, 90.0])), "trackDuration": 100.0},
        "like": {"action": draw(st.sampled_from(["like", "unlike"])), "source": "player"},
        "save": {"action": "save", "playlistId": "pl"},
        "share": {"platform": "embed", "source": "player"},
        "download": {"source": "player"},
    }[kind]
    if kind in ("play", "playEnd"):
        own["playId"] = draw(st.sampled_from(["p1", "p2", "p3"]))
    age = draw(st.sampled_from([0, 1_000, 5_400_000, DAY_MS, 3 * DAY_MS, 3 * DAY_MS + 4_000_000]))
    moment = round(NOW * 1_000) - age + draw(st.integers(0, 3))
    event_id = f"e{draw(st.integers(0, 60))}"
    track, session = draw(st.sampled_from(TRACKS)), draw(st.sampled_from(["s", "s", "other"]))
    return {"type": kind, "trackId": track, "sessionId": session, "timestamp": moment, "eventId": event_id, **own}


def a_like(event_id):
    own = {"action": "like", "source": "player", "timestamp": round(NOW * 1_000)}
    return {"type": "like", "trackId": "t1", "sessionId": "s", "eventId": event_id, **own}


SAME_LIKE_OF_TWO = [("send", [a_like("e1")], None, False, "ann"), ("send", [a_like("e1")], None, False, "bob")]

batches = st.lists(events(), min_size=1, max_size=6)
crashes = st.none() | st.tuples(st.integers(0, 14), st.sampled_from(["before", "amid", "after"]))
actions = st.one_of(
    st.tuples(st.just("send"), batches, crashes, st.booleans(), st.sampled_from(["ann", "bob"])),
    st.tuples(st.just("fold"), crashes),
    st.tuples(st.just("both"), batches),
    st.tuples(st.just("settle"), crashes),
    st.tuples(st.just("wait"), st.sampled_from([1, 6, 121, 86_400])),
)


@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(script=SAME_LIKE_OF_TWO)
@given(script=st.lists(actions, min_size=2, max_size=8))
@pytest.mark.timeout(600)
async def test_after_any_crashes_raw_counters_and_rollups_agree(embedded_url, monkeypatch, script):
    """Any events in any batches, order and repetition, days late, with a crash between any two steps.

    Two processes roll up, every hour by its slices, while days pass.
    """
    monkeypatch.setattr(recounting, "MANY", 1)
    clock, mongo = Clock(), Mongo(embedded_url, database=f"test-{uuid4().hex[:12]}", embedded=True)
    try:
        crashing = Crashing(mongo)
        house, other = House(crashing, clock), House(mongo, clock)
        await house.start_without_indexes("a", TRACKS)
        acknowledged = [await _act(house, other, crashing, clock, action) for action in script]
        crashing.disarm()
        for seconds in (200, 3_700):
            clock.at += seconds
            await house.fold()
            while (await house.fold()).days:
                pass
        await _check(house, mongo, {event_id for ids in acknowledged for event_id in ids})
        before = await _everything(mongo)
        assert (await house.fold()).days == 0
        assert await _everything(mongo) == before
    finally:
        await mongo._client.drop_database(mongo._database.name)
        await mongo.close()


async def _act(house, other, crashing, clock, action):
    """Does it; the ids that were acknowledged."""
    match action:
        case "wait", seconds:
            clock.at += seconds
        case "fold", crash:
            with contextlib.suppress(Crash):
                crashing.arm(*crash) if crash else crashing.disarm()
                await house.fold()
        case "settle", crash:
            sealed_before = house.retention.first_recountable_day(clock())
            with contextlib.suppress(Crash):
                crashing.arm(*crash) if crash else crashing.disarm()
                await house.tracks.settle(house.calendar.day_of(clock()), sealed_before)
        case "both", batch:
            crashing.disarm()
            answer, *_ = await asyncio.gather(house.send(*batch), house.fold(), other.fold())
            return _stored(batch, answer)
        case "send", batch, crash, again, person:
            try:
                crashing.arm(*crash) if crash else crashing.disarm()
                return _stored(batch, await house.send(*batch, sender=a_person(person)))
            except Crash:
                crashing.disarm()
                return _stored(batch, await house.send(*batch, sender=a_person(person))) if again else []
    return []


def _stored(batch, answer):
    rejected = {index for index, _ in answer.rejected}
    return [event["eventId"] for index, event in enumerate(batch) if index not in rejected]


async def _check(house, mongo, acknowledged):
    raw = [event for name in RAW for event in await mongo[name].find().to_list(None)]
    assert acknowledged <= {event["_id"] for event in raw}
    assert len({event["_id"] for event in raw}) == len(raw)
    assert await mongo["engagement_intents"].find().to_list(None) == []
    for track in TRACKS:
        of_track = [event for event in raw if event["trackId"] == track]
        assert await house.counters(track) == _counters(of_track)
        await _check_rollups(mongo, TRACK_STATS, track, of_track)
    for group, tracks in GROUPS.items():
        await _check_rollups(mongo, GROUP_STATS, group, [event for event in raw if event["trackId"] in tracks])


def _counters(raw):
    """The recount, told in another way than the program does."""
    numbers = [sum(event["type"] == kind for event in raw) for kind in ("play", "share", "download")]
    newest = {}
    for like in sorted((e for e in raw if e["type"] == "like"), key=lambda e: (e["timestamp"], e["_id"])):
        newest[like["person"]] = like["action"]
    return numbers[0], sum(action == "like" for action in newest.values()), *numbers[1:]


async def _check_rollups(mongo, family, subject, raw):
    ends = [event for event in raw if event["type"] == "playEnd"]
    for period, collection in family.periods.items():
        found = await mongo[collection].find({family.key: subject}).to_list(None)
        wanted = {}
        for event in raw:
            if event["type"] != "playEnd":
                wanted.setdefault(_start(period, event["timestamp"]), []).append(event)
        assert {document["periodStart"] for document in found} == set(wanted)
        for document in found:
            figures = count(wanted[document["periodStart"]], Ends(ends).of)
            assert document["figures"]["sums"] == list(figures.sums), (period, subject)
            heard = _heard(wanted[document["periodStart"]], ends)
            assert (figures.sums.ended, figures.sums.duration_ms) == (len(heard), 1_000 * sum(heard))
            assert document["uniquePlays"] == figures.people.number


def _heard(events, ends):
    """How long each play was heard whose end is known: the recount, told in another way than the program does."""
    heard = []
    for play in (event for event in events if event["type"] == "play"):
        near = [
            (
                end["sessionId"] != play["sessionId"],
                end["timestamp"],
                end["_id"],
                min(end["duration"], _most(play, end)),
            )
            for end in ends
            if (end["trackId"], end["playId"]) == (play["trackId"], play["playId"])
            and timedelta(minutes=-5) <= end["timestamp"] - play["timestamp"] <= timedelta(days=1)
        ]
        heard += [min(near)[-1]] if near else []
    return heard


def _most(play, end):
    """As long as it was on, and a minute."""
    return 60 + max(0, (end["timestamp"] - play["timestamp"]).total_seconds())


def _start(period, moment):
    day = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    match period:
        case "week":
            return datetime.fromtimestamp(day.timestamp() - moment.weekday() * 86_400, UTC)
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)
    return day


async def _everything(mongo):
    names = [*RAW, "tracks", "track_likes", "daily_stats", "weekly_stats", "monthly_stats", "yearly_stats"]
    return {name: sorted(await mongo[name].find().to_list(None), key=lambda d: d["_id"]) for name in names}
