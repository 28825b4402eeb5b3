"""Listening time adds up: total, days, hours and the table's counted seconds; what comes from days equals a recount."""

import random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract.sessions import Quality
from backend_api.listening.channels import Channels
from backend_api.listening.days import summed_up
from backend_api.listening.parts import Parts, is_even, stretches, whole_days
from backend_api.listening.rollups import DAYS, INDEXES, MARKS, Rollups
from backend_api.listening.rows import Row, counted
from backend_api.listening.source import Source
from backend_api.listening.station import Station
from backend_api.nodes.store import NodeStore
from backend_api.sessions.documents import indexes as session_indexes
from backend_api.sessions.lifecycle import Fact, Interval, Session
from backend_api.sessions.purge import Purge
from backend_api.sessions.ranges import Range
from backend_api.sessions.statistics import next_hour, per_day
from backend_api.sessions.store import SessionStore

T = 1_795_257_000
DAY = 86_400

spans = st.tuples(st.integers(0, 3 * DAY), st.integers(0, 40_000)).map(lambda s: (T + s[0], T + s[0] + s[1]))


def row(number, person, pieces):
    start, end = pieces[0][0], pieces[-1][1]
    kept = tuple(piece for piece in pieces if piece[0] < piece[1])
    return Row(f"s{number:03}", start, end, "completed", kept, {"user": person}, None, Quality())


def recounted(rows, asked):
    """The report of a range from its sessions alone."""
    span = asked.start_at, asked.end_at
    return Parts(span, [], [(span, rows)], 0).report(asked.zone)


ZONES = ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Paris", "Australia/Lord_Howe", "America/St_Johns"]

rows = st.lists(
    st.tuples(st.sampled_from("abc"), spans, st.integers(0, 9_000), st.integers(0, 9_000)), max_size=12
).map(
    lambda some: [
        row(number, person, [span, (span[1] + gap, span[1] + gap + more)])
        for number, (person, span, gap, more) in enumerate(some)
    ]
)


@given(rows, st.integers(0, 4 * DAY), st.integers(0, 3 * DAY), st.sampled_from(ZONES))
def test_total_is_the_sum_of_people_days_hours_and_lines(some, start, length, zone):
    """Each person's seconds once, clipped to the range, whichever way they are added up."""
    first, last = T + start, T + start + length
    truth = {(r.person, s // 60) for r in some for a, b in r.pieces for s in range(max(a, first), min(b, last), 60)}
    lines = counted(some, first, last)
    total = sum(line.seconds for line in lines)
    by_person = {
        person: {s for r in some if r.person == person for a, b in r.pieces for s in range(max(a, first), min(b, last))}
        for person in {r.person for r in some}
    }
    assert total == sum(map(len, by_person.values()))
    assert bool(truth) is (total > 0)
    assert sum(sum(per_day(line.pieces, ZoneInfo(zone)).values()) for line in lines) == total
    report = recounted(some, Range(first, last, ZoneInfo(zone)))
    assert sum(hour.seconds for hour in report.hours) == sum(share.seconds for share in report.devices) == total
    assert (report.total_seconds, report.total_sessions, report.unique_listeners) == (
        total,
        len(lines),
        len({line.row.person for line in lines}),
    )
    for hour in report.hours:
        begin = int(hour.hour.timestamp())
        here = counted(some, max(begin, first), min(next_hour(begin, ZoneInfo(zone)), last))
        assert hour.listeners == len({line.row.person for line in here if line.seconds})


@given(rows, st.integers(0, 3 * DAY))
def test_a_range_is_the_sum_of_its_parts(some, cut):
    """Cut anywhere, nothing is lost and nothing counted twice."""
    whole = sum(line.seconds for line in counted(some, T, T + 5 * DAY))
    halves = [counted(some, T, T + cut), counted(some, T + cut, T + 5 * DAY)]
    assert sum(line.seconds for half in halves for line in half) == whole


@given(rows, st.integers(0, 4 * DAY), st.integers(0, 6 * DAY), st.sampled_from(ZONES), st.sets(st.integers(0, 9)))
def test_what_comes_from_days_is_that_of_the_sessions(some, start, length, zone, opened):
    """Whatever days of a range are kept and whatever is counted afresh, in every time zone."""
    asked = Range(T + start, T + start + length, ZoneInfo(zone))
    span = asked.start_at, asked.end_at
    days = range(*whole_days(span))
    kept = [day for day in days if day - days.start not in opened and is_even(day, asked.zone)]
    counted_afresh = [(here, some) for here in stretches(span, set(days) - set(kept))]
    parts = Parts(span, [summed_up("c1", day, some) for day in kept], counted_afresh, 0)
    assert parts.report(asked.zone) == recounted(some, asked)
    assert parts.time() == Parts(span, [], [(span, some)], 0).time()


def test_more_people_than_are_told_apart_are_estimated(monkeypatch):
    """Many people over several days: within 5 % for all and for each group of a good size, and said to be estimated."""
    monkeypatch.setattr("backend_api.listening.days.LIMIT", 2_000)
    monkeypatch.setattr("backend_api.listening.days.EXACT_UP_TO", 2_000)
    first = T // DAY
    crowd = [row(n, f"p{n}", [(T + n % 3 * DAY, T + n % 3 * DAY + 60)]) for n in range(9_000)]
    crowd = [one._replace(facts=one.facts | {"device": f"d{n % 2}"}) for n, one in enumerate(crowd)]
    days = [
        summed_up("c1", first + day, [one for one in crowd if one.start_at // DAY == first + day]) for day in range(3)
    ]
    report = Parts((first * DAY, (first + 3) * DAY), days, [], 0).report(ZoneInfo("UTC"))
    assert (report.unique_listeners_exact, report.total_sessions) == (False, 9_000)
    assert abs(report.unique_listeners - 9_000) < 450
    assert abs(report.devices[0].listeners - 4_500) < 450
    assert [hour.listeners for hour in report.hours] == [3_000, 3_000, 3_000]


@pytest.fixture
async def mongo(open_mongo):
    """A database with the indexes of sessions and of their days."""
    mongo = open_mongo()
    await mongo.ensure([*session_indexes(730 * 86_400, embedded=True), *INDEXES])
    return mongo


@pytest.fixture
async def station(mongo, clock):
    """Store, source and rollups on a database of their own."""
    rollups = Rollups(mongo, 730 * DAY, clock)
    store = SessionStore(mongo, NodeStore(mongo, clock).leases, clock, {"listening": rollups.mark})
    return store, Source(store), rollups


@pytest.fixture
def reader(mongo, station):
    """Who answers for the channels."""
    _, source, rollups = station
    return Station(source, rollups, Channels(mongo, "UTC"))


def heard(number, person, start, end, version, reason="disconnect"):
    facts = {"channel": Fact(start, "c1"), "user": Fact(start, person)}
    closed = (end, reason) if end is not None else (None, None)
    interval = Interval(f"i{number}", "n1", 1, version, start, start if end is None else end, *closed)
    return Session(f"s{number}", "listening", (interval,), facts)


@pytest.mark.parametrize("seed", range(3))
async def test_every_range_equals_a_recount_whenever_the_job_came_by(station, reader, clock, seed):
    """Sessions end, begin earlier than known and are corrected over weeks, the job runs at any time: sums are exact."""
    store, source, rollups = station
    dice, begin = random.Random(seed), clock()
    for number in range(60):
        clock.at = begin + number * 20_000
        start = clock.at - dice.randrange(200_000)
        end = start + dice.randrange(1, 50_000)
        person = dice.choice("abcdef")
        await store.merge([heard(number, person, start, min(end, clock.at), 2)])
        if dice.random() < 0.4:
            again = dice.randrange(number + 1)
            known = await store.find(f"s{again}")
            was = known.session.intervals[0]
            shorter = max(was.started_at, was.closed_at - dice.randrange(40_000))
            earlier = was.started_at - dice.choice([0, 0, 30_000])
            changed = heard(again, known.session.fact("user"), earlier, shorter, was.version + 1)
            await store.merge([changed])
        if dice.random() < 0.3:
            await rollups.run(source)
        if number % 10 == 9:
            rows = await source.rows("c1", 0, clock() + 1)
            lines = counted(rows, 0, int(clock()) + 2 * DAY)
            figures = await reader.listening_time("c1", "all_time", "UTC", clock())
            assert figures.total_seconds == sum(line.seconds for line in lines)
            assert (figures.total_sessions, figures.unique_listeners) == (len(lines), len({r.person for r in rows}))
            assert figures.active_sessions == sum(r.status == "active" for r in rows)
            zone = ZoneInfo(dice.choice(ZONES))
            first = int(begin) - dice.randrange(4 * DAY)
            asked = Range(first, dice.randrange(first + 1, int(clock()) + 1), zone)
            assert await reader.listeners("c1", asked) == recounted(rows, asked)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_session_that_ends_while_a_sum_is_read_is_in_it(station, reader, clock, monkeypatch, when):
    """The first session of its day, kept as over around the moment at which those that are on are looked up."""
    store, source, _ = station
    begin = (clock() // DAY) * DAY + 4_000
    clock.at = begin + 100
    await store.merge([heard(1, "a", begin, None, 1)])
    look_up = source.live

    async def meanwhile(channel):
        found = await look_up(channel) if when == "after" else None
        await store.merge([heard(1, "a", begin, begin + 60, 2, "stop")])
        return await look_up(channel) if found is None else found

    monkeypatch.setattr(source, "live", meanwhile)
    assert (await reader.listening_time("c1", "all_time", "UTC", clock())).total_seconds == 60


async def test_a_day_that_was_kept_before_reports_were_is_counted_until_it_is_made_anew(station, reader, mongo, clock):
    """The first report counts its sessions and marks it; after the next round of the job the kept day is enough."""
    store, source, rollups = station
    begin = (clock() // DAY) * DAY
    clock.at = begin + 4_000
    await store.merge([heard(1, "a", begin + 60, begin + 3_660, 2)])
    clock.at = begin + 3 * DAY
    await rollups.run(source)
    await mongo[DAYS].update_many({}, {"$unset": {"report": ""}})
    asked = Range(int(begin), int(begin) + DAY, ZoneInfo("UTC"))
    before = await reader.listeners("c1", asked)
    assert (before.total_seconds, await mongo[MARKS].count_documents({})) == (3_600, 1)
    await rollups.run(source)
    kept = await mongo[DAYS].find_one({"day": begin // DAY})
    assert "report" in kept
    assert await reader.listeners("c1", asked) == before
    assert (await rollups.reports(source, "c1", (asked.start_at, asked.end_at), asked.zone)).days == [kept]


async def test_the_sums_outlive_the_sessions(station, reader, mongo, clock):
    """After the purge all time is what it was, for whoever reads it; a report from before it counts no day anew."""
    store, source, rollups = station
    begin = clock()
    for number in range(8):
        start = begin + number * 100 * DAY
        clock.at = start + 3_800
        await store.merge([heard(number, "ab"[number % 2], start, start + 3_600, 2)])
        clock.at += 2 * DAY
        await rollups.run(source)
    before = await reader.listening_time("c1", "all_time", "UTC", clock())
    assert (before.total_seconds, before.total_sessions, before.unique_listeners) == (8 * 3_600, 8, 2)
    clock.at = begin + 1_000 * DAY
    rests = []

    async def rested(seconds):
        rests.append(seconds)

    await Purge(mongo, 730 * DAY, clock, sleep=rested).run()
    left = await source.ended("c1", 0, clock())
    assert [row.id for row in left] == [f"s{number}" for number in range(3, 8)]
    assert len(rests) == 3
    late = heard(0, "a", begin, begin + 60, 9)
    await store.merge([late])
    await rollups.run(source)
    assert await reader.listening_time("c1", "all_time", "UTC", clock()) == before
