"""What engagement costs: batches stored, heavy hours and days recounted, dashboards over a year of a million events.

python -m pytest -m benchmark -s tests/benchmarks/engagement
"""

import asyncio
import os
import random
import statistics
import time
from datetime import UTC, date
from typing import get_args
from uuid import uuid4

import pytest

from backend_api.contract.events import ArtistEntry, TimeRange
from backend_api.contract.wire import at
from backend_api.db import Mongo
from backend_api.engagement.dashboards import Dashboards
from backend_api.engagement.reading import EVERYBODY, Reader, of_artist, of_track
from tests.backend_api.conftest import EMBEDDED, REAL, SERVERS, Clock, Daemon
from tests.backend_api.engagement.house import House

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7_200)]

NOW = 1_795_257_000.0
HOUR, DAY = 3_600, 86_400
EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
DAYS = int(os.environ.get("BENCH_DAYS", "365"))
TRACKS = [f"t{number:03d}" for number in range(100)]
ARTISTS = {"small": TRACKS[:5], "twenty": TRACKS[5:25], "large": TRACKS[25:]}
KINDS = ["play"] * 12 + ["like"] * 2 + ["save", "share", "download"]


@pytest.fixture(params=SERVERS)
async def house(request, tmp_path):
    daemon = Daemon(tmp_path) if request.param == EMBEDDED else None
    url = daemon.url if daemon else os.environ[REAL]
    mongo = Mongo(url, database=f"bench-{uuid4().hex[:12]}", embedded=daemon is not None)
    built = await House(mongo, Clock(NOW), zone=UTC, raw_days=400).start(**ARTISTS)
    print(f"\n[{request.param}]")
    yield built
    await mongo.close()
    if daemon:
        daemon.stop()


def raw(number, track, moment, dice):
    """A stored event, as a batch would have left it."""
    kind = dice.choice(KINDS)
    own = {
        "play": {"source": "search", "duration": 60.0, "completionRate": 33.3, "skipped": False},
        "like": {"action": "like", "source": "player"},
        "save": {"action": "save", "playlistId": "pl"},
        "share": {"platform": "embed", "source": "player"},
        "download": {"source": "player"},
    }[kind]
    return kind, {
        "_id": f"e{number}", "type": kind, "trackId": track, "sessionId": "s", "timestamp": at(moment), "country": "DE",
        "person": f"u:{dice.randrange(50_000)}", "digest": b"0" * 16, "createdAt": at(moment), **own,
    }  # fmt: skip


async def fill(house, events):
    """Puts raw events where they belong, 5,000 at a time."""
    waiting = {}
    for kind, document in events:
        waiting.setdefault(f"{kind}_events", []).append(document)
        if sum(map(len, waiting.values())) >= 5_000:
            await asyncio.gather(*(house.mongo[n].insert_many(d, ordered=False) for n, d in waiting.items()))
            waiting = {}
    for name, documents in waiting.items():
        await house.mongo[name].insert_many(documents, ordered=False)


async def median_ms(run, times=5):
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1_000


async def test_batches_and_heavy_buckets(house):
    """Batches of 1,000; an open hour of 42,000 events; a day of EVENTS events, with the loop's worst lag beside it."""
    dice, taken = random.Random(1), []
    for batch in range(20):
        events = [
            {"type": "play", "trackId": dice.choice(TRACKS), "sessionId": "s", "eventId": f"b{batch}-{number}",
             "timestamp": round(NOW * 1_000) - dice.randrange(3_000_000), "source": "search"}
            for number in range(1_000)
        ]  # fmt: skip
        started = time.perf_counter()
        assert (await house.send(*events)).accepted == 1_000
        taken.append(time.perf_counter() - started)
    print(f"batch of 1,000 over 100 tracks: {statistics.median(taken) * 1_000:.0f} ms (median of 20)")
    await fill(house, (raw(n, "t000", NOW - dice.randrange(1_700), dice) for n in range(42_000)))
    day = at(NOW).date()
    seconds, lag = await recounted(house, "t000", [day], hours=[10])
    print(f"open hour of 42,000 events: {seconds:.1f} s, worst lag of the loop {lag * 1_000:.0f} ms")
    start = house.calendar.start_of(date(2026, 11, 10))
    await fill(house, (raw(10_000_000 + n, "t001", start + dice.randrange(DAY), dice) for n in range(EVENTS)))
    seconds, lag = await recounted(house, "t001", [date(2026, 11, 10)], hours=range(24))
    print(f"day of {EVENTS:,} events of one track: {seconds:.1f} s, worst lag of the loop {lag * 1_000:.0f} ms")


async def test_a_year_of_dashboards(house):
    """EVENTS events of a hundred tracks over DAYS days: rebuilt, then every range read."""
    dice = random.Random(2)
    started = time.perf_counter()
    await fill(
        house,
        (raw(n, dice.choice(TRACKS), NOW - dice.randrange(DAYS * DAY), dice) for n in range(EVENTS)),
    )
    print(f"{EVENTS:,} raw events put in: {time.perf_counter() - started:.0f} s")
    started = time.perf_counter()
    days = list(house.calendar.days_between(NOW - DAYS * DAY, NOW))
    await house.tracks.reopen(TRACKS, days, NOW)
    while (await house.fold()).days:
        pass
    print(f"{DAYS} days of 100 tracks rebuilt: {time.perf_counter() - started:.0f} s")
    for artist in ARTISTS:
        await house.catalogue.put_artist(artist, ArtistEntry(name=artist))
    dashboards = Dashboards(
        Reader(house.mongo, house.stats, house.calendar, house.clock), house.catalogue, house.foundations
    )
    for time_range in get_args(TimeRange):
        one = await median_ms(lambda r=time_range: dashboards.analytics(of_track("t000"), r, "plays"))
        everything = await median_ms(lambda r=time_range: dashboards.analytics(EVERYBODY, r, "plays"))
        artists = [await median_ms(lambda r=time_range, a=artist: dashboards.dashboard(a, r)) for artist in ARTISTS]
        shown = ", ".join(f"artist of {len(t)} {ms:.0f} ms" for t, ms in zip(ARTISTS.values(), artists, strict=True))
        print(f"{time_range:>4}: track {one:.0f} ms, {shown}, everything {everything:.0f} ms")
    found = await dashboards.analytics(of_artist("twenty"), "1y", "plays")
    print(f"artist of 20, a year: {found.total_plays:,} plays, {found.unique_plays:,} people, exact: {found.exact}")


async def recounted(house, track, days, hours):
    """How long it takes, and how long the loop was held up at worst meanwhile."""
    worst, done = 0.0, False

    async def watch():
        nonlocal worst
        while not done:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - before)

    watcher = asyncio.create_task(watch())
    started = time.perf_counter()
    slots = [slot for day in days for slot in house.calendar.slots_of(day) if slot.hour in hours]
    await house.roller.recount(track, slots)
    done = True
    await watcher
    return time.perf_counter() - started, worst
