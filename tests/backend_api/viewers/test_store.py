"""Parts in, history out: the same in the open hour, between its end and its packing, and packed."""

import random
from datetime import date
from itertools import groupby

import pytest

from backend_api.viewers import packer
from backend_api.viewers.documents import DAYS, HOURS, MARKS, PARTS, at_of, part_of
from backend_api.viewers.history import bucketed, join, merge_minute
from backend_api.viewers.packer import merged_hour
from backend_api.viewers.ranges import Span, floor_to

ROOM = "auction:demo"
HOUR = 3_600
DAY = 86_400


async def recount(viewers, room=ROOM):
    """Every minute of a room from all its parts, without any of the machinery."""
    parts = await viewers.mongo[PARTS].find({"r": room}).to_list(None)
    parts.sort(key=at_of)
    return [merge_minute(at, map(part_of, of_minute)) for at, of_minute in groupby(parts, key=at_of)]


async def test_a_part_that_is_sent_again_is_a_duplicate(viewers, make_part):
    """The answer differs, the history does not; another boot or a further part is news."""
    now = viewers.clock()
    first = make_part(now, 3, numbers=range(6))
    assert await viewers.take(first, first) == ["saved", "duplicate"]
    before = await viewers.history()
    assert await viewers.take(first) == ["duplicate"]
    assert await viewers.history() == before
    assert (
        await viewers.take(make_part(now, 4, boot=2, numbers=[6]), make_part(now, 4, numbers=[7], part=1))
        == ["saved"] * 2
    )
    assert (await viewers.history()).snapshots[0].sample_count == 8


async def test_of_parts_without_a_node_the_first_of_a_minute_wins(viewers, make_part):
    """A host that reports by hand has one word per minute."""
    sent = {"timestamp": make_part(viewers.clock()).timestamp, "viewer_count": 5, "avg_viewers": 5, "peak_viewers": 9}
    by_hand = make_part(viewers.clock()).model_validate(sent)
    others = [by_hand.model_copy(update=change) for change in ({"peak_viewers": 99}, {"boot": 2}, {"part": 3})]
    assert await viewers.take(by_hand, *others) == ["saved", *["duplicate"] * 3]
    assert (await viewers.history()).snapshots[0].peak_viewers == 9


async def test_a_room_without_history_has_none(viewers):
    """Empty list and zeros."""
    history = await viewers.history()
    assert history.snapshots == []
    assert set(history.summary.model_dump().values()) == {0}


@pytest.mark.parametrize("grain", [60, 900, HOUR])
async def test_history_is_the_same_before_and_after_packing(viewers, make_part, grain):
    """Three hours of three nodes: open, closed, packed, and packed with late parts on top."""
    dice = random.Random(grain)
    start = floor_to(viewers.clock(), DAY) - 2 * HOUR
    viewers.clock.at = start
    parts = [
        make_part(start + 60 * minute, dice.randrange(9), node=node, numbers=range(dice.randrange(1, 13)))
        for minute in range(180)
        for node in dice.sample(["n1", "n2", "n3"], dice.randrange(3))
    ]
    dice.shuffle(parts)
    span = Span(start + 7 * 60, start + 3 * HOUR - 11 * 60)
    step = max(grain, HOUR)
    for now, arriving in ((3 * HOUR, parts[:60]), (4 * HOUR, parts[60:120]), (9 * HOUR, parts[120:])):
        viewers.clock.at = start + now
        assert await viewers.take(*arriving) == ["saved"] * len(arriving)
        for _ in range(2):
            minutes = [minute for minute in await recount(viewers) if span.holds(minute.at)]
            found = await viewers.reader.read(ROOM, span, grain)
            assert bucketed(found, lambda at: at - at % step) == bucketed(minutes, lambda at: at - at % step)
            assert grain > 60 or found == minutes
            await viewers.packer.run()
    assert await viewers.mongo[MARKS].find({}).to_list(None) == []


async def test_an_hour_is_packed_only_when_nobody_can_take_it_for_open(viewers, make_part):
    """Not at its end, not while parts still arrive, but a margin later."""
    hour_at = floor_to(viewers.clock(), HOUR)
    await viewers.take(make_part(hour_at, 2))
    for seconds, packed in ((HOUR, 0), (HOUR + 121, 0), (HOUR + 181, 1)):
        viewers.clock.at = hour_at + seconds
        await viewers.packer.run()
        assert len(await viewers.mongo[HOURS].find({}).to_list(None)) == packed
    assert (await viewers.history()).summary.overall_peak == 2


async def test_a_late_part_has_its_hour_and_its_day_packed_again(viewers, make_part):
    """Six hours late: readable at once, and right after the next round too."""
    hour_at = floor_to(viewers.clock(), HOUR)
    await viewers.take(make_part(hour_at, 2))
    viewers.clock.at = hour_at + 6 * HOUR
    await viewers.packer.run()
    assert await viewers.take(make_part(hour_at + 60, 7)) == ["saved"]
    read_from_parts = await viewers.history(resolution="1d")
    await viewers.packer.run()
    assert (await viewers.history(resolution="1d")).snapshots == read_from_parts.snapshots
    assert read_from_parts.summary.overall_peak == 7
    assert read_from_parts.summary.total_snapshots == 2


async def test_a_part_that_arrives_while_its_hour_is_packed_is_not_lost(viewers, make_part, monkeypatch):
    """The job takes away only the marks it has seen."""
    hour_at = floor_to(viewers.clock(), HOUR)
    await viewers.take(make_part(hour_at, 2))
    viewers.clock.at = hour_at + 2 * HOUR
    pack = viewers.packer._pack

    async def pack_and_be_late(room, at):
        await pack(room, at)
        monkeypatch.setattr(viewers.packer, "_pack", pack)
        await viewers.take(make_part(hour_at + 60, 7))

    monkeypatch.setattr(viewers.packer, "_pack", pack_and_be_late)
    await viewers.packer.run()
    assert len(await viewers.mongo[MARKS].find({}).to_list(None)) == 1
    await viewers.packer.run()
    assert [minute.peak for minute in await viewers.reader.read(ROOM, Span(hour_at, hour_at + HOUR), 60)] == [2, 7]
    assert await viewers.mongo[MARKS].find({}).to_list(None) == []


async def test_a_job_that_was_paused_with_old_parts_does_not_have_the_last_word(viewers, make_part, monkeypatch):
    """Its stale hour overwrites a newer one, it finds its marks gone, and the hour is packed once more."""
    hour_at = floor_to(viewers.clock(), HOUR)
    await viewers.take(make_part(hour_at, 2))
    viewers.clock.at = hour_at + 2 * HOUR
    other = viewers.other_process()
    stale = await recount(viewers)

    async def read_and_sleep(*_of):
        await viewers.take(make_part(hour_at + 60, 7))
        await other.packer.run()
        return stale

    ways = iter([read_and_sleep])
    monkeypatch.setattr(packer, "merged_hour", lambda *of: next(ways, merged_hour)(*of))  # noqa: PLW0108
    await viewers.packer.run()
    assert [minute.peak for minute in await viewers.reader.read(ROOM, Span(hour_at, hour_at + HOUR), 60)] == [2, 7]
    await viewers.packer.run()
    assert await viewers.mongo[MARKS].find({}).to_list(None) == []
    assert (await viewers.history(resolution="1d")).summary.overall_peak == 7


async def test_parts_that_are_gone_never_take_the_packed_hour_with_them(viewers, make_part):
    """A mark that was left for nine days finds no parts: the hour stays as it was packed."""
    hour_at = floor_to(viewers.clock(), HOUR)
    await viewers.take(make_part(hour_at, 2))
    viewers.clock.at = hour_at + 2 * HOUR
    await viewers.packer.run()
    before = await viewers.history(resolution="1m")
    await viewers.take(make_part(hour_at, 2))
    viewers.clock.at = hour_at + 9 * DAY
    await viewers.mongo[PARTS].delete_many({})
    assert (await viewers.history(resolution="15m")).snapshots[0].peak_viewers == 2
    await viewers.packer.run()
    viewers.clock.at = before.snapshots[0].timestamp.timestamp() + 2 * HOUR
    assert await viewers.history(resolution="1m") == before


async def test_an_hour_that_was_never_packed_is_packed_from_what_is_left(viewers, make_part):
    """The job was away for nine days; some of the parts are still there."""
    hour_at = floor_to(viewers.clock(), HOUR)
    await viewers.take(make_part(hour_at, 2), make_part(hour_at + 60, 4))
    viewers.clock.at = hour_at + 9 * DAY
    await viewers.packer.run()
    assert (await viewers.history(resolution="1d")).summary.total_snapshots == 2


async def test_a_day_is_kept_hour_by_hour(viewers, make_part):
    """Hours of a day may be packed in any order; none undoes another."""
    day_at = floor_to(viewers.clock(), DAY)
    for hour in (5, 2, 9):
        viewers.clock.at = day_at + (hour + 2) * HOUR
        await viewers.take(make_part(day_at + hour * HOUR, hour))
        await viewers.packer.run()
    (day,) = await viewers.mongo[DAYS].find({}).to_list(None)
    assert sorted(day["h"]) == ["2", "5", "9"]
    assert [point.peak_viewers for point in (await viewers.history(resolution="1h")).snapshots] == [2, 5, 9]


async def test_the_summary_of_a_rolling_range_is_exact_to_the_minute(viewers, make_part):
    """Days from packed hours, edges from minutes: what is one minute outside does not count."""
    now = floor_to(viewers.clock(), 60)
    start = now + 60 - 7 * DAY
    viewers.clock.at = start + DAY
    await viewers.take(*(make_part(start + 60 * minute, 50) for minute in (-2, -1)))
    await viewers.take(*(make_part(start + 60 * minute, 4) for minute in range(0, 300, 7)))
    viewers.clock.at = now
    await viewers.packer.run()
    for resolution in ("1m", "5m", "15m", "1h", "1d"):
        summary = (await viewers.history(time_range="7d", resolution=resolution)).summary
        assert (summary.overall_peak, summary.total_snapshots, summary.duration) == (4, 43, 7 * 1440)
        assert (summary.overall_avg, summary.viewer_minutes) == (4.0, 43 * 4)


async def test_a_read_in_one_process_sees_what_another_has_just_answered(viewers, make_part):
    """Nothing of the history lives in a process."""
    await viewers.take(make_part(viewers.clock(), 6))
    assert (await viewers.other_process().history()).summary.overall_peak == 6


async def test_joined_history_equals_a_recount(viewers, make_part):
    """The summary over everything is the join of every minute there is."""
    now = viewers.clock()
    await viewers.take(*(make_part(now - 60 * minute, minute % 7, node=f"n{minute % 3}") for minute in range(200)))
    viewers.clock.at = now + HOUR
    await viewers.packer.run()
    whole = join(await recount(viewers))
    summary = (await viewers.history()).summary
    assert (summary.total_snapshots, summary.overall_peak, summary.overall_min) == (200, whole.peak, whole.low)
    assert (summary.overall_avg, summary.viewer_minutes) == (whole.average, whole.received_ms / 60_000)


async def test_a_clock_that_ran_ahead_packs_too_early_and_no_minute_is_lost(viewers, make_part):
    """Another process an hour ahead packs the running hour; what arrives afterwards marks it again."""
    hour_at = floor_to(viewers.clock(), HOUR)
    ahead = viewers.other_process(clock=lambda: viewers.clock() + 2 * HOUR)
    for minute in range(60):
        viewers.clock.at = hour_at + 60 * minute + 65
        await viewers.take(make_part(hour_at + 60 * minute, minute))
        if minute == 30:
            await ahead.packer.run()
    viewers.clock.at = hour_at + 2 * HOUR
    await viewers.packer.run()
    assert (await viewers.history(resolution="1h")).summary.total_snapshots == 60


async def test_a_range_may_reach_beyond_what_is_kept_and_into_the_future(viewers, make_part):
    """The duration is as asked, the resolution fits what there can be, nothing is read that cannot be."""
    await viewers.take(make_part(viewers.clock(), 3))
    history = await viewers.history(first=date(2000, 1, 1), last=date(2100, 12, 31), resolution="1d")
    assert (history.summary.duration, history.summary.total_snapshots) == (36_890 * 1440, 1)
    month = await viewers.history(first=date(2026, 11, 21), last=date(2026, 12, 20))
    assert (month.resolution, month.summary.duration) == ("1m", 30 * 1440)


async def test_a_part_that_takes_so_long_that_its_hour_closes_meanwhile_is_packed_after_all(viewers, make_part):
    """Whether an hour is open is decided when the part is in, not when it came."""
    hour_at = floor_to(viewers.clock(), HOUR)
    viewers.clock.at = hour_at + 60
    await viewers.take(make_part(hour_at, 2))
    insert = viewers.store._parts.insert_many

    class Slow:
        async def insert_many(self, *args, **options):
            viewers.clock.at = hour_at + 2 * HOUR
            await viewers.packer.run()
            return await insert(*args, **options)

    viewers.store._parts = Slow()
    await viewers.take(make_part(hour_at + 60, 7))
    assert (await viewers.history(resolution="1h")).summary.overall_peak == 7
    await viewers.packer.run()
    assert (await viewers.history(resolution="1h")).summary.overall_peak == 7
