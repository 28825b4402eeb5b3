"""Listening time adds up: total, days, hours and the table's counted seconds; all time from days equals a recount."""

import random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract.sessions import Quality
from backend_api.listening.reports import listeners
from backend_api.listening.rollups import INDEXES, Rollups
from backend_api.listening.rows import Row, counted
from backend_api.listening.source import Source
from backend_api.nodes.store import NodeStore
from backend_api.sessions.documents import indexes as session_indexes
from backend_api.sessions.lifecycle import Fact, Interval, Session
from backend_api.sessions.purge import Purge
from backend_api.sessions.statistics import per_day
from backend_api.sessions.store import SessionStore

T = 1_795_257_000
DAY = 86_400

spans = st.tuples(st.integers(0, 3 * DAY), st.integers(0, 40_000)).map(lambda s: (T + s[0], T + s[0] + s[1]))


def row(number, person, pieces):
    start, end = pieces[0][0], pieces[-1][1]
    kept = tuple(piece for piece in pieces if piece[0] < piece[1])
    return Row(f"s{number:03}", start, end, "completed", kept, {"user": person}, None, Quality())


rows = st.lists(st.tuples(st.sampled_from("abc"), spans), max_size=12).map(
    lambda some: [row(number, person, [span]) for number, (person, span) in enumerate(some)]
)


@given(rows, st.integers(0, 4 * DAY), st.integers(0, 3 * DAY), st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Paris"]))
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
    report = listeners(lines, ZoneInfo(zone))
    assert sum(hour.seconds for hour in report.hours) == sum(share.seconds for share in report.devices) == total


@given(rows, st.integers(0, 3 * DAY))
def test_a_range_is_the_sum_of_its_parts(some, cut):
    """Cut anywhere, nothing is lost and nothing counted twice."""
    whole = sum(line.seconds for line in counted(some, T, T + 5 * DAY))
    halves = [counted(some, T, T + cut), counted(some, T + cut, T + 5 * DAY)]
    assert sum(line.seconds for half in halves for line in half) == whole


@pytest.fixture
async def station(open_mongo, clock):
    """Store, source and rollups on a database of their own."""
    mongo = open_mongo()
    await mongo.ensure([*session_indexes(730 * 86_400, embedded=True), *INDEXES])
    rollups = Rollups(mongo, 730 * DAY, clock)
    store = SessionStore(mongo, NodeStore(mongo, clock).leases, clock, {"listening": rollups.mark})
    return store, Source(store), rollups


def heard(number, person, start, end, version, reason="disconnect"):
    facts = {"channel": Fact(start, "c1"), "user": Fact(start, person)}
    closed = (end, reason) if end is not None else (None, None)
    interval = Interval(f"i{number}", "n1", 1, version, start, start if end is None else end, *closed)
    return Session(f"s{number}", "listening", (interval,), facts)


@pytest.mark.parametrize("seed", range(3))
async def test_all_time_equals_a_recount_whenever_the_job_came_by(station, clock, seed):
    """Sessions end and are corrected over a fortnight, the job runs at any time: sums are those of all rows."""
    store, source, rollups = station
    dice, begin = random.Random(seed), clock()
    for number in range(60):
        clock.at = begin + number * 20_000
        start = clock.at - dice.randrange(90_000)
        end = start + dice.randrange(1, 50_000)
        person = dice.choice("abcdef")
        await store.merge([heard(number, person, start, min(end, clock.at), 2)])
        if dice.random() < 0.4:
            again = dice.randrange(number + 1)
            known = await store.find(f"s{again}")
            was = known.session.intervals[0]
            shorter = max(was.started_at, was.closed_at - dice.randrange(40_000))
            changed = heard(again, known.session.fact("user"), was.started_at, shorter, was.version + 1)
            await store.merge([changed])
        if dice.random() < 0.3:
            await rollups.run(source)
        if number % 10 == 9:
            rows = await source.rows("c1", 0, clock() + 1)
            lines = counted(rows, 0, int(clock()) + 2 * DAY)
            figures = await rollups.all_time(source, "c1")
            assert figures.total_seconds == sum(line.seconds for line in lines)
            assert (figures.total_sessions, figures.unique_listeners) == (len(lines), len({r.person for r in rows}))
            assert figures.active_sessions == sum(r.status == "active" for r in rows)


async def test_the_sums_outlive_the_sessions(station, open_mongo, clock):
    """After the purge all time is what it was, for whoever reads it; a report from before it counts no day anew."""
    store, source, rollups = station
    begin = clock()
    for number in range(8):
        start = begin + number * 100 * DAY
        clock.at = start + 3_800
        await store.merge([heard(number, "ab"[number % 2], start, start + 3_600, 2)])
        clock.at += 2 * DAY
        await rollups.run(source)
    before = await rollups.all_time(source, "c1")
    assert (before.total_seconds, before.total_sessions, before.unique_listeners) == (8 * 3_600, 8, 2)
    clock.at = begin + 1_000 * DAY
    rests = []

    async def rested(seconds):
        rests.append(seconds)

    await Purge(open_mongo(), 730 * DAY, clock, sleep=rested).run()
    left = await source.ended("c1", 0, clock())
    assert [row.id for row in left] == [f"s{number}" for number in range(3, 8)]
    assert len(rests) == 3
    late = heard(0, "a", begin, begin + 60, 9)
    await store.merge([late])
    await rollups.run(source)
    assert await rollups.all_time(source, "c1") == before
