"""What viewer history costs: parts stored, charts read.

python -m pytest -m benchmark -s tests/benchmarks/viewers
"""

import asyncio
import random
import statistics
import time

import pytest

from backend_api.contract.snapshots import MAX_PARTS, Part
from backend_api.contract.wire import at
from backend_api.viewers.documents import (
    DAYS,
    HOURS,
    PARTS,
    ROOMS,
    Arrived,
    day_update,
    hour_document,
    indexes,
    room_update,
)
from backend_api.viewers.history import Stretch
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.packer import Packer
from backend_api.viewers.store import PartStore

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

BATCHES = 30
AT_ONCE = 2
HOUR, DAY = 3_600, 86_400
ROOM = "auction:bench"
KEEPING = Keeping(parts_seconds=8 * DAY, minutes_seconds=90 * DAY, summaries_seconds=730 * DAY)
RANGES = ("90d", "30d", "7d", "24h", "90d&resolution=15m", "all")
QUERIES = [f"timeRange={given}" for given in RANGES]


def batch_of(minute_at, dice):
    """A minute of a thousand rooms, twelve slots each, people coming and going."""
    parts = []
    for number in range(MAX_PARTS):
        count, slots = dice.randrange(200), []
        for slot in range(12):
            first, count = count, max(0, count + dice.randrange(-3, 4))
            slots.append((slot, first, min(first, count), max(first, count), count, round((first + count) * 2.5, 3), 5))
        peak = max(slot[3] for slot in slots)
        parts.append(
            Part(
                room=f"auction:lot-{number}", timestamp=at(minute_at), viewer_count=count, avg_viewers=0.0,
                peak_viewers=peak, node="presence-1", boot=1_795_257_000_123, slots=slots, roster=["presence-1"],
            )
        )  # fmt: skip
    return parts


@pytest.mark.parametrize(("hour", "back_seconds"), [("open hour", 0), ("hour closed long ago", 5 * HOUR)])
async def test_parts_stored(bench, hour, back_seconds):
    """Signed batches of a thousand parts over HTTP, two at a time, until they are answered, in journal."""
    url, dice = await bench.url(), random.Random(1)
    minute_at = int(time.time() - back_seconds) // 60 * 60
    different = [batch_of(minute_at, dice) for _ in range(10)]
    parts = [[part.model_copy(update={"boot": boot}) for part in different[boot % 10]] for boot in range(BATCHES)]
    async with bench.client(url) as client:
        await client.save_parts(different[0])  # The rooms, and an open hour's marks, are written once.
        gate = asyncio.Semaphore(AT_ONCE)

        async def send(batch):
            async with gate:
                started = time.perf_counter()
                results = (await client.save_parts(batch)).results
                assert all(result.status == "saved" for result in results)
                return time.perf_counter() - started

        before, started = bench.cpu(), time.perf_counter()
        seconds = await asyncio.gather(*map(send, parts))
        wall = time.perf_counter() - started
    total = BATCHES * MAX_PARTS
    used = [(after - start) / total * 1e6 for after, start in zip(bench.cpu(), before, strict=True)]
    print(
        f"\n{bench.name}, {hour}: {total / wall:,.0f} parts stored per second; CPU per part: backend {used[0]:.0f} µs, "
        f"database {used[1]:.0f} µs; median batch {statistics.median(seconds) * 1e3:.0f} ms"
    )


def minutes_of(hour_at, dice):
    rows = []
    for minute in range(60):
        low = dice.randrange(100)
        peak = low + dice.randrange(50)
        viewer_ms = dice.randrange(low, peak + 1) * 60_000
        rows.append(Stretch(hour_at + 60 * minute, 1, peak, low, peak, 12, viewer_ms, 60_000, low, peak, viewer_ms))
    return rows


async def fill(mongo, now, days):
    """Packed history of every minute of so many days, as the packing job leaves it."""
    dice, first_at = random.Random(2), (now // HOUR - days * 24) * HOUR
    for start in range(first_at, now // HOUR * HOUR, 100 * HOUR):
        hours = [
            (hour_at, minutes_of(hour_at, dice))
            for hour_at in range(start, min(start + 100 * HOUR, now // HOUR * HOUR), HOUR)
        ]
        recent = [hour_document(ROOM, *hour) for hour in hours if hour[0] > now - 90 * DAY - HOUR]
        if recent:
            await mongo[HOURS].insert_many(recent)
        await mongo[DAYS].bulk_write([day_update(ROOM, *hour) for hour in hours])
    await mongo[ROOMS].bulk_write([room_update(ROOM, first_at, now)])


async def test_charts_read(bench, http):
    """Ninety days of minutes, every minute of them, and the same again with two years behind it."""
    url, now = await bench.url(), int(time.time())
    mongo = bench.mongo()
    for days in (90, 730):
        for name in (PARTS, HOURS, DAYS):
            await mongo[name].delete_many({})
        await fill(mongo, now, days)
        print(f"\n{bench.name}, {days} days of history:")
        for query in QUERIES:
            await report(bench, http, f"{url}/api/v1/rooms/{ROOM}/analytics/viewers?{query}", query)
    await mongo.close()


async def report(bench, http, url, query):
    times, before = [], bench.cpu()
    for _ in range(15):
        started = time.perf_counter()
        async with http.get(url) as response:
            history = (await response.json())["data"]
        times.append(time.perf_counter() - started)
    used = [(after - start) / 15 * 1e3 for after, start in zip(bench.cpu(), before, strict=True)]
    summary = history["summary"]
    print(
        f"  {query:30} {len(history['snapshots']):6,} points of {summary['totalSnapshots']:9,} minutes: "
        f"median {statistics.median(times) * 1e3:6.1f} ms, CPU backend {used[0]:5.1f} ms, database {used[1]:5.1f} ms"
    )


async def test_hours_packed(bench):
    """The parts of a closed hour of many rooms become packed minutes and a place in the day."""
    rooms, clock = 100, int(time.time()) // HOUR * HOUR  # To the running backend this hour is open: it keeps off.
    dice, mongo = random.Random(3), bench.mongo()
    await mongo.ensure(indexes(KEEPING))
    store, packer = PartStore(mongo, lambda: clock), Packer(mongo, KEEPING, lambda: clock + 3 * HOUR)
    for minute in range(60):
        parts = batch_of(clock + 60 * minute, dice)[:rooms]
        await store.save([Arrived(part.room, clock + 60 * minute, part) for part in parts])
    started, used, before = time.perf_counter(), time.process_time(), bench.cpu()
    await packer.run()
    wall, used = time.perf_counter() - started, time.process_time() - used
    assert len(await mongo[HOURS].find({}).to_list(None)) == rooms
    print(
        f"\n{bench.name}: {rooms / wall:,.0f} hours packed per second; CPU per hour: job {used / rooms * 1e3:.1f} ms, "
        f"database {(bench.cpu()[1] - before[1]) / rooms * 1e3:.1f} ms"
    )
    await mongo.close()
