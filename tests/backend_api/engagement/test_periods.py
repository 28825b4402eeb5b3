"""Local hours, days and months, and which of them cover a range."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.engagement.periods import Calendar, Slot, end_day, first_day

ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
BERLIN = Calendar(ZoneInfo("Europe/Berlin"))
moments = st.floats(1_500_000_000, 1_900_000_000).map(lambda at: round(at, 3))


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_day_has_as_many_hours_as_its_clock_says():
    """23 and 25 where the clocks change."""
    days = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 21)]
    assert [len(BERLIN.slots_of(day)) for day in days] == [23, 25, 24]


def test_the_hour_that_comes_twice_is_two_hours():
    """Half past two in the morning, before and after the clocks went back."""
    slots = [BERLIN.slot_of(at(f"2026-10-25T0{hour}:30:00")) for hour in (0, 1)]
    assert slots == [Slot(date(2026, 10, 25), 2), Slot(date(2026, 10, 25), 3)]


@pytest.mark.parametrize(
    ("period", "first", "end"),
    [
        ("day", date(2026, 11, 21), date(2026, 11, 22)),
        ("week", date(2026, 11, 16), date(2026, 11, 23)),
        ("month", date(2026, 11, 1), date(2026, 12, 1)),
        ("year", date(2026, 1, 1), date(2027, 1, 1)),
    ],
)
def test_periods_begin_on_mondays_firsts_and_new_years(period, first, end):
    """And end where the next one begins."""
    assert (first_day(period, date(2026, 11, 21)), end_day(period, date(2026, 11, 21))) == (first, end)


@given(moments, st.sampled_from(ZONES))
def test_every_moment_lies_in_its_hour_and_day(moment, zone):
    """In zones with half hours, and where a day was left out."""
    calendar = Calendar(ZoneInfo(zone))
    slot = calendar.slot_of(moment)
    assert calendar.slot_start(slot) <= moment < calendar.slot_end(slot)
    assert slot in calendar.slots_of(slot.day)
    for step in ("hour", "day", "month"):
        assert calendar.floor(moment, step) <= moment <= calendar.ceil(moment, step)
        assert calendar.ceil(calendar.floor(moment, step), step) == calendar.floor(moment, step)


@given(moments, st.floats(0, 40_000_000).map(round), st.sampled_from(["hour", "day", "month"]), st.sampled_from(ZONES))
def test_a_cover_is_the_range_without_gap_or_overlap(start, seconds, coarsest, zone):
    """In order; raw only within one hour at either end; every other piece is whole."""
    calendar = Calendar(ZoneInfo(zone))
    parts = calendar.cover(start, start + seconds, coarsest)
    edges = [start, *(part.end_at for part in parts)]
    assert [part.start_at for part in parts] == edges[:-1]
    assert edges[-1] == start + seconds if seconds else not parts
    assert sum(part.grain == "raw" for part in parts) <= 2
    for part in parts:
        if part.grain == "raw":
            assert part.end_at - part.start_at < 7_200
        else:
            assert calendar.floor(part.start_at, part.grain) == part.start_at
            assert calendar.floor(part.end_at, part.grain) == part.end_at
