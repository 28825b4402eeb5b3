"""What engagement costs: batches stored, busy hours and days recounted, dashboards over a year of a million events.

python -m pytest -m benchmark -s tests/benchmarks/engagement

Every row tells the time on the wall, and the CPU time here and in the database's process: on a shared machine only the
latter two can be compared. BENCH_EVENTS and BENCH_DAYS make it smaller; the rows say so.
"""

import asyncio
import os
import random
import statistics
import time
from datetime import UTC, date
from pathlib import Path
from typing import get_args
from uuid import uuid4

import pytest

from backend_api.contract.events import ArtistEntry, TimeRange
from backend_api.contract.wire import at
from backend_api.db import Mongo
from backend_api.engagement.dashboards import Dashboards
from backend_api.engagement.documents import play_key
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
OTHERS = ["like", "like", "save", "share", "download"]
SMALLER = " (NOT THE FULL SIZE)"
SIZE = f"{EVENTS:,} events over {DAYS} days" + ("" if EVENTS == 1_000_000 and DAYS == 365 else SMALLER)


@pytest.fixture(params=SERVERS)
def daemon(request, tmp_path):
    """The embedded database; None where a real one is measured."""
    started = Daemon(tmp_path) if request.param == EMBEDDED else None
    print(f"\n[{request.param}]")
    yield started
    if started:
        started.stop()


@pytest.fixture
async def house(daemon):
    url = daemon.url if daemon else os.environ[REAL]
    mongo = Mongo(url, database=f"bench-{uuid4().hex[:12]}", embedded=daemon is not None)
    yield await House(mongo, Clock(NOW), zone=UTC, raw_days=400).start(**ARTISTS)
    await mongo.close()


@pytest.fixture
def meter(daemon):
    return Meter(daemon)


def happenings(number, track_of, moment_of, dice, first=0):
    """Stored events, as batches would have left them: plays, and for three of four an end and something else after."""
    done = 0
    while done < number:
        track, moment, play_id = track_of(), moment_of(), f"p{first + done}"
        play = {"playId": play_id, "play": play_key(track, play_id, int(moment // DAY))}
        end = {"duration": 60.0, "trackDuration": 180.0, "completionRate": 33.33, "skipped": False}
        kinds = [("play", moment, play | {"source": "search"})]
        if dice.random() < 0.75:
            later = {"play": play_key(track, play_id, int((moment + 60) // DAY))}
            kinds.append(("playEnd", moment + 60, play | later | end))
        if dice.random() < 0.75:
            kinds.append((kind := dice.choice(OTHERS), moment + 1, OWN[kind]))
        for kind, at_, own in kinds:
            yield kind, _stored(f"e{first + done}", kind, track, at_, f"u:{dice.randrange(50_000)}", own)
            done += 1


OWN = {
    "like": {"action": "like", "source": "player"},
    "save": {"action": "save", "playlistId": "pl"},
    "share": {"platform": "embed", "source": "player"},
    "download": {"source": "player"},
}


def _stored(event_id, kind, track, moment, person, own):
    return {
        "_id": event_id, "type": kind, "trackId": track, "sessionId": "s", "timestamp": at(moment), "country": "DE",
        "person": person, "digest": b"0" * 16, "createdAt": at(moment), "userAgent": "Mozilla/5.0 " + "x" * 90,
        "ip": "203.0.113.0", **own,
    }  # fmt: skip


async def fill(house, events):
    """Puts raw events where they belong, 5,000 at a time."""
    waiting = {}
    for kind, document in events:
        waiting.setdefault("play_events" if kind == "playEnd" else f"{kind}_events", []).append(document)
        if sum(map(len, waiting.values())) >= 5_000:
            await asyncio.gather(*(house.mongo[n].insert_many(d, ordered=False) for n, d in waiting.items()))
            waiting = {}
    for name, documents in waiting.items():
        await house.mongo[name].insert_many(documents, ordered=False)


class Meter:
    """Prints rows: what was done, how long it took, the CPU time here and in the database, the loop's worst lag."""

    def __init__(self, daemon):
        self._daemon = daemon

    def _cpu(self):
        if self._daemon is None:
            return 0.0
        fields = Path(f"/proc/{self._daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def measure(self, what, run, times=1):
        """The median time on the wall of so many runs; CPU times are their mean."""
        worst, done, taken = 0.0, False, []

        async def watch():
            nonlocal worst
            while not done:
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                worst = max(worst, time.perf_counter() - before)

        watcher = asyncio.create_task(watch())
        cpu, database = time.process_time(), self._cpu()
        for _ in range(times):
            started = time.perf_counter()
            await run()
            taken.append(time.perf_counter() - started)
        cpu, database = time.process_time() - cpu, self._cpu() - database
        done = True
        await watcher
        wall, here, there = (1_000 * seconds for seconds in (statistics.median(taken), cpu / times, database / times))
        print(
            f"{what:<68} {wall:>8.0f} ms  CPU {here:>6.0f} here {there:>7.0f} database"
            f"  loop held up {1_000 * worst:.0f}  load {os.getloadavg()[0]:.1f}"
        )


async def test_batches_and_busy_buckets(house, meter):
    """Batches of 1,000; an open hour of 42,000 events, recounted and gone on with; a day of EVENTS events."""
    dice, number = random.Random(1), iter(range(10**9))

    def plays(count, tracks, seconds):
        return [
            {"type": "play", "trackId": dice.choice(tracks), "sessionId": "s", "eventId": f"b{next(number)}",
             "timestamp": round(NOW * 1_000) - dice.randrange(seconds * 1_000), "source": "search"}
            for _ in range(count)
        ]  # fmt: skip

    async def batch():
        assert (await house.send(*plays(1_000, TRACKS, 3_000))).accepted == 1_000

    await meter.measure("a batch of 1,000 over 100 tracks stored", batch, times=20)
    await meter.measure("these 20,000 events of 100 tracks rolled up", house.fold)
    hour = house.calendar.floor(NOW, "hour")
    await fill(house, happenings(42_000, lambda: "t000", lambda: hour + dice.randrange(1_700), dice))
    slot = house.calendar.slot_of(NOW)
    await meter.measure("open hour of 42,000 events recounted", lambda: house.roller.recount("t000", [slot]), times=3)
    await house.send(*plays(1, ["t000"], 1))
    await meter.measure("the same rolled up, the first time", house.fold)

    async def going_on():
        await house.send(*plays(24, ["t000"], 2))
        await house.fold()

    await meter.measure("24 more events of it stored and rolled up", going_on, times=5)
    start = house.calendar.start_of(date(2026, 11, 10))
    await fill(house, happenings(EVENTS, lambda: "t001", lambda: start + dice.randrange(DAY - 60), dice, 10_000_000))
    slots = house.calendar.slots_of(date(2026, 11, 10))
    what = f"a day of one track of {EVENTS:,} events recounted" + ("" if EVENTS == 1_000_000 else SMALLER)
    await meter.measure(what, lambda: house.roller.recount("t001", slots))


async def test_a_year_of_dashboards(house, meter):
    """EVENTS events of a hundred tracks over DAYS days: rebuilt, then every range read."""
    dice = random.Random(2)
    events = happenings(EVENTS, lambda: dice.choice(TRACKS), lambda: NOW - 61 - dice.randrange(DAYS * DAY - 61), dice)
    await meter.measure(f"{SIZE} of 100 tracks put in", lambda: fill(house, events))

    async def rebuild():
        await house.tracks.reopen(TRACKS, list(house.calendar.days_between(NOW - DAYS * DAY, NOW)), NOW)
        while (await house.fold()).days:
            pass

    await meter.measure("all of it rolled up", rebuild)
    for artist in ARTISTS:
        await house.catalogue.put_artist(artist, ArtistEntry(name=artist))
    reader = Reader(house.mongo, house.stats, house.calendar, house.clock)
    dashboards = Dashboards(reader, house.catalogue, house.foundations)
    for time_range in get_args(TimeRange):
        for name, subject in (("a track", of_track("t000")), ("everything", EVERYBODY)):
            await meter.measure(
                f"{time_range:>4}: analytics of {name}",
                lambda s=subject, r=time_range: dashboards.analytics(s, r, "plays"),
                times=5,
            )
        for artist, tracks in ARTISTS.items():
            await meter.measure(
                f"{time_range:>4}: dashboard of an artist of {len(tracks)} tracks",
                lambda a=artist, r=time_range: dashboards.dashboard(a, r),
                times=5,
            )
    found = await dashboards.analytics(of_artist("twenty"), "1y", "plays")
    print(f"artist of 20, a year: {found.total_plays:,} plays, {found.unique_plays:,} people, exact: {found.exact}")
