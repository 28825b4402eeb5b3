"""What dashboards read: rolling ranges that really roll, from rollups and one edge hour, equal to a recount."""

from datetime import UTC
from types import SimpleNamespace
from typing import get_args
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from backend_api.contract.events import PlaylistEntry, TimeRange
from backend_api.db import Mongo
from backend_api.engagement import reading as reading_module
from backend_api.engagement.analytics import growth
from backend_api.engagement.dashboards import Dashboards
from backend_api.engagement.documents import RAW
from backend_api.engagement.events import Sender
from backend_api.engagement.periods import ROLLING_SECONDS
from backend_api.engagement.reading import EVERYBODY, Reader, of_artist, of_track
from backend_api.engagement.rollups import Sums
from tests.backend_api.engagement.house import House

HOUR, DAY = 3_600, 86_400
NOW = 1_795_257_000.0 + 1_234
ARTISTS = {"t1": "a", "t2": "a", "t3": "b"}


def reading(house):
    reader = Reader(house.mongo, house.stats, house.retention, house.clock)
    return SimpleNamespace(reader=reader, dashboards=Dashboards(reader, house.catalogue, house.foundations))


class Watched:
    """Stands for Mongo and remembers what is asked of the raw events."""

    def __init__(self, mongo):
        self._mongo, self.queries = mongo, []

    def __getitem__(self, name):
        return _Collection(self, self._mongo[name]) if name in RAW else self._mongo[name]

    async def examined(self):
        """How many raw events each of the queries looked at, by the database's own account."""
        plans = [await collection.find(query).explain() for collection, query in self.queries]
        return [plan["executionStats"]["totalDocsExamined"] for plan in plans]


class _Collection:
    def __init__(self, owner, collection):
        self._owner, self._collection = owner, collection

    def find(self, query, *rest):
        self._owner.queries.append((self._collection, query))
        return self._collection.find(query, *rest)

    def with_options(self, **options):
        return _Collection(self._owner, self._collection.with_options(**options))


async def test_a_day_ago_is_a_day_ago_to_the_millisecond(house, clock, event):
    """One event a second inside, one a second outside; moving the clock lets it fall out."""
    clock.at = NOW
    await house.send(event("play", eventId="in", ago=DAY - 1), event("play", eventId="out", ago=DAY + 1))
    await house.fold()
    dashboards = reading(house).dashboards
    assert (await dashboards.analytics(of_track("t1"), "24h", "plays")).total_plays == 1
    clock.at += 2
    assert (await dashboards.analytics(of_track("t1"), "24h", "plays")).total_plays == 0


@pytest.mark.parametrize("time_range", get_args(TimeRange))
async def test_of_raw_events_only_the_edge_hour_is_read(house, clock, event, make_house, time_range):
    """Every query of raw events lies within one hour, and looks at what is there and nothing else."""
    await house.send(*[event("play", eventId=f"e{n}", ago=n * 7 * HOUR, playId=f"p{n}") for n in range(200)])
    await house.send(event("play", eventId="edge", ago=DAY - 60, playId="edge"))
    await house.fold()
    watched = Watched(house.mongo)
    other = House(watched, clock)
    for subject in (of_track("t1"), of_artist("a"), EVERYBODY):
        await reading(other).dashboards.analytics(subject, time_range, "plays")
    await reading(other).dashboards.dashboard("a", time_range)
    assert all(number <= 2 for number in await watched.examined())
    for _, query in watched.queries:
        if "play" not in query:
            assert (query["timestamp"]["$lt"] - query["timestamp"]["$gte"]).total_seconds() <= HOUR + 1_200
    if time_range == "all":
        assert watched.queries == []


@pytest.mark.parametrize("many", [3, 4_000])
async def test_an_edge_hour_in_which_much_has_happened_is_read_track_by_track(house, clock, event, monkeypatch, many):
    """Ends and other artists' events count for nothing, however many there are."""
    monkeypatch.setattr(reading_module, "MANY_EVENTS", many)
    monkeypatch.setattr(reading_module, "FEW_TRACKS", 0)
    clock.at = NOW
    for number in range(4):
        play = event("play", eventId=f"p{number}", playId=f"p{number}", ago=DAY - 100)
        await house.send(play, event("playEnd", eventId=f"e{number}", playId=f"p{number}", ago=DAY - 200))
    await house.send(event("play", "t3", eventId="other", ago=DAY - 100))
    await house.fold()
    found = await reading(house).dashboards.analytics(of_artist("a"), "24h", "plays")
    assert (found.total_plays, found.avg_duration) == (4, 90.0)
    assert (await reading(house).dashboards.analytics(EVERYBODY, "24h", "plays")).total_plays == 5


async def test_an_hour_whose_raw_events_are_gone_is_taken_whole(house, clock, event):
    """What can no longer be divided is in the range; and not in the one before, too."""
    for number, minutes in enumerate((-20, 10, 600)):
        await house.send(event("play", eventId=f"e{number}", ago=80 * DAY + minutes * 60))
    await house.fold()
    clock.at += 10 * DAY
    await house.mongo["play_events"].delete_many({})
    reader = reading(house).reader
    found = await reader.read(of_track("t1"), "90d")
    assert found.figures.sums.plays == 2
    previous = await reader.previous(of_track("t1"), "90d", found)
    assert previous.plays == 1


async def test_playlists_are_not_read_to_say_how_long_they_are(house):
    """Ten thousand tracks of each stay where they are; one that is in twice is one."""
    asked = []

    class Playlists:
        def __getattr__(self, name):
            return getattr(house.mongo["playlists"], name)

        def find(self, *query):
            asked.append(house.mongo["playlists"].find(*query))
            return asked[0].clone()

    entry = PlaylistEntry(owner_id="a", title="Mix", track_ids=["t1", "t2", "t1"])
    await house.catalogue.put_playlist("mix", entry)
    house.catalogue._playlists = Playlists()
    assert await house.catalogue.playlists_of("a", 10) == [("mix", "Mix", 2)]
    assert [sorted(document) for document in await asked[0].to_list(None)] == [["_id", "title", "tracks"]]


async def test_a_playlist_that_was_put_before_its_number_was_kept_is_counted(house):
    """It has the tracks themselves."""
    old = {"_id": "old", "ownerId": "a", "title": "Old", "trackIds": ["t1", "t2"]}
    await house.mongo["playlists"].insert_one(old)
    assert await house.catalogue.playlists_of("a", 10) == [("old", "Old", 2)]


async def test_growth_compares_with_the_same_time_before(house, clock, event):
    """The hour between the two ranges is divided exactly; an empty period before gives none."""
    clock.at = NOW
    plays = [event("play", eventId=f"now{n}", ago=DAY - 10 - n) for n in range(3)]
    plays += [event("play", eventId=f"before{n}", ago=DAY + 10 + n) for n in range(2)]
    plays += [event("play", eventId=f"long{n}", ago=2 * DAY + 10 + n) for n in range(7)]
    await house.send(*plays)
    await house.fold()
    found = await reading(house).dashboards.dashboard("a", "24h")
    assert (found.overview.total_plays, found.growth.plays, found.growth.likes) == (3, 0.5, None)
    assert (await reading(house).dashboards.dashboard("a", "all")).growth.plays is None


def test_growth_is_the_change_in_parts_of_what_was():
    """Halved is -0.5, from nothing is none."""
    assert growth(Sums(plays=1, likes=3), Sums(plays=2)).plays == -0.5
    assert growth(Sums(plays=1, likes=3), Sums(plays=2)).likes is None


async def test_freshness_says_what_is_not_in_the_figures_yet(house, clock, event):
    """As of the moment when the first event that is missing arrived."""
    await house.send(event("play", eventId="e1"))
    clock.at += 30
    await house.send(event("share", eventId="e2"))
    for subject in (of_track("t1"), of_artist("a"), EVERYBODY):
        freshness = await reading(house).reader.freshness(subject)
        assert (freshness.pending_events, freshness.as_of.timestamp()) == (2, clock.at - 30)
    await house.fold()
    freshness = await reading(house).reader.freshness(EVERYBODY)
    assert (freshness.pending_events, freshness.as_of.timestamp()) == (0, clock.at)


happenings = st.tuples(
    st.sampled_from([*ARTISTS]),
    st.one_of(st.integers(0, 3 * DAY), st.integers(0, 89 * DAY // HOUR).map(lambda hours: hours * HOUR)),
    st.sampled_from(["ann", "bob", "eve"]),
    st.sampled_from(["play", "share", "like"]),
)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    events=st.lists(happenings, min_size=5, max_size=40),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]),
    shift=st.integers(0, HOUR),
)
async def test_every_range_of_every_subject_equals_a_recount(embedded_url, clock, events, zone, shift):
    """Totals, uniques and the sum of the curve, whatever the time zone and the minute."""
    mongo = Mongo(embedded_url, database=f"test-{uuid4().hex[:12]}", embedded=True)
    try:
        clock.at = NOW + shift
        house = House(mongo, clock, zone=ZoneInfo(zone) if zone != "UTC" else UTC, raw_days=100)
        await house.start_without_indexes("a", ["t1", "t2"])
        await house.start_without_indexes("b", ["t3"])
        for number, (track, ago, person, kind) in enumerate(events):
            sender = Sender(person, is_trusted=False, has_consent=True, is_bot=False)
            await house.send(_event(kind, track, clock.at - ago, number), sender=sender)
        await house.fold()
        dashboards = reading(house).dashboards
        subjects = [(of_track("t1"), {"t1"}), (of_artist("a"), {"t1", "t2"}), (EVERYBODY, set(ARTISTS))]
        for time_range in get_args(TimeRange):
            seconds = ROLLING_SECONDS.get(time_range, 200 * DAY)
            for subject, tracks in subjects:
                inside = [e for e in events if e[0] in tracks and e[1] <= seconds]
                found = await dashboards.analytics(subject, time_range, "plays")
                plays = [person for _, _, person, kind in inside if kind == "play"]
                assert (found.total_plays, found.unique_plays) == (len(plays), len(set(plays))), (time_range, subject)
                assert found.total_shares == sum(kind == "share" for *_, kind in inside)
                assert sum(point.value for point in found.series) == len(plays)
    finally:
        await mongo._client.drop_database(mongo._database.name)
        await mongo.close()


def _event(kind, track, at, number):
    own = {
        "play": {"source": "search"},
        "share": {"platform": "embed", "source": "player"},
        "like": {"action": "like", "source": "player"},
    }[kind]
    return {
        "type": kind,
        "trackId": track,
        "sessionId": "s",
        "timestamp": round(at * 1_000),
        "eventId": f"e{number}",
        **own,
    }
