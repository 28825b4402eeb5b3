"""What is measured: batches, the open hour, the heavy day, the year of dashboards. Each has a database of its own."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import date
from functools import partial
from random import Random
from typing import Any, NamedTuple, get_args

from backend_api.contract.events import ArtistEntry, TimeRange
from backend_api.engagement.dashboards import Dashboards
from backend_api.engagement.documents import COUNTED
from backend_api.engagement.periods import Slot
from backend_api.engagement.reading import EVERYBODY, Reader, of_track
from backend_api.engagement.tracks import Change
from tests.backend_api.engagement.house import House
from tests.benchmarks.engagement.meter import Measured, Meter
from tests.benchmarks.engagement.traffic import DAY, fill, happenings

NOW = 1_795_257_000.0
HEAVY = date(2026, 11, 10)
TRACKS = [f"t{number:03d}" for number in range(100)]
ARTISTS = {"small": TRACKS[:5], "twenty": TRACKS[5:25], "large": TRACKS[25:]}
BATCH = 1_000


EVERY = 8
"""Every track has a day of so many to be heard on: not all are, all year long."""


class Scale(NamedTuple):
    """How many events, and batches; `seconds` is the most that all scenes may take together."""

    batches: int
    hour: int
    day: int
    year: int
    days: int
    seconds: float


FULL = Scale(batches=40, hour=42_000, day=1_000_000, year=1_000_000, days=365, seconds=2_400)
QUICK = Scale(batches=5, hour=4_200, day=20_000, year=20_000, days=40, seconds=115)


class Row(NamedTuple):
    """A line of the table: what was measured over how many events, and how many seconds it may take (0: any)."""

    title: str
    events: int
    found: Measured
    bar_seconds: float = 0.0


class Stage(NamedTuple):
    """What a scene plays on. `advance` moves the progress bar by so many events."""

    house: House
    meter: Meter
    scale: Scale
    advance: Callable[[int], object]


Scene = Callable[[Stage], AsyncGenerator[Row, None]]


async def batches(stage: Stage) -> AsyncGenerator[Row, None]:
    """Batches of 1,000 over 100 tracks, and what they leave to be counted."""
    house, number, dice = stage.house, iter(range(10**9)), Random(1)
    await house.start(**ARTISTS)

    async def one() -> None:
        await house.send(*_plays(dice, number, BATCH, TRACKS, 3_000))
        stage.advance(BATCH)

    yield Row("a batch of 1,000 over 100 tracks stored", BATCH, await stage.meter.measure(one, stage.scale.batches))
    events = BATCH * stage.scale.batches
    yield Row(f"these {events:,} events rolled up", events, await stage.meter.measure(house.fold))


async def open_hour(stage: Stage) -> AsyncGenerator[Row, None]:
    """The running hour of one track: recounted, rolled up, and gone on with."""
    house, meter, events, dice = stage.house, stage.meter, stage.scale.hour, Random(1)
    slot = house.calendar.slot_of(NOW)
    start_at, number = house.calendar.slot_start(slot), iter(range(10**9))
    await fill(house.mongo, happenings(events, lambda: ("t000", start_at + dice.randrange(1_700)), dice), stage.advance)
    await house.start(**ARTISTS)
    expected = events * 7 // 10  # Without the ends of plays.
    recount = await meter.measure(lambda: house.recounter.hours("t000", [slot], lambda _: expected), 3)
    yield Row(f"an open hour of {events:,} events recounted", events, recount, 2.0)
    await _come_in(house, "t000", [slot], expected)
    yield Row("... rolled up for the first time", events, await meter.measure(house.fold, probes=True))

    async def going_on() -> None:
        await house.send(*_plays(dice, number, 24, ["t000"], 2))
        await house.fold()

    yield Row("... 24 more events of it stored and rolled up", 24, await meter.measure(going_on, 5))


async def heavy_day(stage: Stage) -> AsyncGenerator[Row, None]:
    """A day of one track, in the background."""
    house, events, dice = stage.house, stage.scale.day, Random(2)
    start_at = house.calendar.start_of(HEAVY)
    await fill(
        house.mongo, happenings(events, lambda: ("t001", start_at + dice.randrange(DAY - 61)), dice), stage.advance
    )
    await house.start(**ARTISTS)
    await _come_in(house, "t001", house.calendar.slots_of(HEAVY), events * 7 // 10)
    rolled_up = await stage.meter.measure(house.fold, probes=True)
    found = await house.mongo["daily_stats"].find_one({"trackId": "t001"})
    assert found is not None
    assert 0.38 * events < found["totalPlays"] < 0.42 * events
    yield Row(f"a day of one track of {events:,} events rolled up", events, rolled_up, 60.0)


async def year(stage: Stage) -> AsyncGenerator[Row, None]:
    """A year of a hundred tracks, each heard on some days, and all of them on the last: then every answer there is."""
    house, events, days, dice = stage.house, stage.scale.year, stage.scale.days, Random(3)
    heard = {
        track: [NOW // DAY * DAY - ago * DAY for ago in range(days) if ago < 2 or (number + ago) % EVERY == 0]
        for number, track in enumerate(TRACKS)
    }

    def play() -> tuple[str, float]:
        track = dice.choice(TRACKS)
        midnight = dice.choice(heard[track])
        return track, midnight + dice.randrange(int(min(DAY, NOW - midnight)) - 61)

    await fill(house.mongo, happenings(events, play, dice), stage.advance)
    await house.start(**ARTISTS)
    for track, midnights in heard.items():
        await house.tracks.reopen([track], map(house.calendar.day_of, midnights), NOW)

    async def rebuild() -> None:
        while (await house.fold()).days:
            pass

    yield Row(
        f"{stage.scale.days} days of 100 tracks, {events:,} events, rolled up",
        events,
        await stage.meter.measure(rebuild),
    )
    for artist in ARTISTS:
        await house.catalogue.put_artist(artist, ArtistEntry(name=artist))
    for title, ask in _questions(house):
        yield Row(title, 0, await stage.meter.measure(ask, 9), 0.3)


SCENES: dict[str, Scene] = {"batches": batches, "hour": open_hour, "day": heavy_day, "year": year}


def planned(name: str, scale: Scale) -> int:
    """How many events a scene brings about."""
    return {"batches": BATCH * scale.batches, "hour": scale.hour, "day": scale.day, "year": scale.year}[name]


async def _come_in(house: House, track: str, slots: list[Slot], events: int) -> None:
    """Marks hours as the batches would have that brought so many events."""
    new = {slot: {COUNTED[0]: events // len(slots)} for slot in slots}
    change = Change(hours=set(slots), new=defaultdict(lambda: defaultdict(int), new))
    await house.tracks.mark({track: change}, "m", NOW, house.calendar.day_of(NOW))


def _questions(house: House) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
    reader = Reader(house.mongo, house.stats, house.retention, house.clock)
    dashboards = Dashboards(reader, house.catalogue, house.foundations)
    asked: list[tuple[str, Callable[[], Awaitable[object]]]] = []
    for time_range in get_args(TimeRange):
        for name, subject in (("a track", of_track("t000")), ("everything", EVERYBODY)):
            title = f"{time_range}: analytics of {name}"
            asked.append((title, partial(dashboards.analytics, subject, time_range, "plays")))
        for artist, tracks in ARTISTS.items():
            title = f"{time_range}: dashboard of an artist of {len(tracks)} tracks"
            asked.append((title, partial(dashboards.dashboard, artist, time_range)))
    return asked


def _plays(dice: Random, number: Any, count: int, tracks: list[str], seconds: int) -> list[dict[str, Any]]:
    return [
        {"type": "play", "trackId": dice.choice(tracks), "sessionId": "s", "eventId": f"b{next(number)}",
         "timestamp": round(NOW * 1_000) - dice.randrange(seconds * 1_000), "source": "search"}
        for _ in range(count)
    ]  # fmt: skip
