"""Which stretch of time is meant, and in which steps it is answered."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.viewers.ranges import (
    AUTO_POINTS,
    MAX_POINTS,
    ROLLING_SECONDS,
    STEP_SECONDS,
    Span,
    TooFineError,
    between,
    choose,
    readable,
    rolling,
    steps,
)

NOW = datetime(2026, 11, 21, 10, 7, 31, tzinfo=UTC).timestamp()
minutes = st.integers(1_700_000_000 // 60, 1_800_000_000 // 60).map(lambda minute: minute * 60)


def spans(days):
    """Ranges of up to so many days."""
    lengths = st.integers(1, days * 1440)
    return st.tuples(minutes, lengths).map(lambda drawn: Span(drawn[0], drawn[0] + drawn[1] * 60))


def utc(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(("name", "seconds"), ROLLING_SECONDS.items())
def test_a_rolling_range_ends_with_the_running_minute(name, seconds):
    """24h are 1,440 minutes, the one that is running included."""
    span = rolling(name, NOW)
    assert (span.end_at, span.minutes) == (utc(2026, 11, 21, 10, 8), seconds // 60)


def test_a_bare_date_is_the_whole_day_of_the_zone():
    """From the first to the first is one local day, 25 hours long when the clock goes back."""
    day = date(2026, 10, 25)
    span = between(day, day, ZoneInfo("Europe/Berlin"), default=Span(0, 0))
    assert span == Span(utc(2026, 10, 24, 22), utc(2026, 10, 25, 23))


def test_a_time_without_an_offset_is_in_the_zone_and_one_with_it_is_not():
    """Ends are widened to whole minutes."""
    first, last = datetime(2026, 7, 1, 12, 0, 30), datetime(2026, 7, 1, 12, 0, 30, tzinfo=UTC)
    span = between(first, last, ZoneInfo("Europe/Berlin"), default=Span(0, 0))
    assert span == Span(utc(2026, 7, 1, 10, 0), utc(2026, 7, 1, 12, 1))


def test_what_is_missing_is_taken_from_what_there_is():
    """Only from: until now. Only to: since the beginning."""
    default = Span(utc(2026, 1, 1), utc(2026, 2, 1))
    assert between(date(2026, 1, 5), None, UTC, default=default) == Span(utc(2026, 1, 5), default.end_at)
    assert between(None, date(2026, 1, 5), UTC, default=default) == Span(default.start_at, utc(2026, 1, 6))


def test_an_end_before_the_beginning_of_everything_is_empty_and_not_an_error():
    """The caller cannot know when a room began; two ends of their own they can compare."""
    assert between(None, date(2025, 1, 1), UTC, default=Span(utc(2026, 1, 1), utc(2026, 2, 1))).minutes == 0
    with pytest.raises(ValueError, match="from must lie before to"):
        between(date(2026, 1, 2), date(2026, 1, 1), UTC, default=Span(0, 0))


@given(spans(days=800))
def test_auto_gives_at_most_a_thousand_points(span):
    """Whatever the range, and the finest resolution that does."""
    resolution = choose(span, "auto", minutes_since_at=0)
    names = list(STEP_SECONDS)
    assert points(span, resolution) <= AUTO_POINTS
    finer = names[: names.index(resolution)]
    assert all(points(span, name) > AUTO_POINTS for name in finer)


def points(span, resolution):
    step = STEP_SECONDS[resolution]
    return -(-span.end_at // step) - span.start_at // step


@pytest.mark.parametrize(
    ("time_range", "resolution"),
    [("1h", "1m"), ("6h", "1m"), ("24h", "5m"), ("7d", "15m"), ("30d", "1h"), ("90d", "1d")],
)
def test_auto_over_the_usual_ranges(time_range, resolution):
    """What dashboards get."""
    assert choose(rolling(time_range, NOW), "auto", minutes_since_at=0) == resolution


def test_a_resolution_that_is_too_fine_is_refused_with_the_one_to_take():
    """Ninety days are 129,600 minutes; quarters of an hour are few enough."""
    span = rolling("90d", NOW)
    with pytest.raises(TooFineError, match="take 15m or coarser"):
        choose(span, "1m", minutes_since_at=0)
    assert points(span, choose(span, "15m", minutes_since_at=0)) <= MAX_POINTS


def test_minutes_that_are_no_longer_kept_cannot_be_asked_for():
    """Of a range that begins before the kept minutes only quarters and coarser are left."""
    span = Span(utc(2026, 1, 1), utc(2026, 1, 2))
    with pytest.raises(TooFineError, match=r"not kept that long.*15m"):
        choose(span, "5m", minutes_since_at=span.start_at + 1)
    assert choose(span, "auto", minutes_since_at=span.start_at + 1) == "15m"


def test_edges_before_the_kept_minutes_are_widened_to_quarters():
    """Outwards, and only where minutes are gone."""
    span = Span(utc(2026, 1, 1, 0, 7), utc(2026, 1, 3, 0, 7))
    assert readable(span, utc(2025, 1, 1)) == span
    assert readable(span, utc(2026, 1, 2)) == Span(utc(2026, 1, 1), span.end_at)
    assert readable(span, utc(2026, 2, 1)) == Span(utc(2026, 1, 1), utc(2026, 1, 3, 0, 15))


@given(spans(days=2))
def test_whole_hours_and_edges_cover_a_range(span):
    """Every minute is in a whole hour or in one of at most two edge hours."""
    inner, edges = span.whole_hours(), span.edge_hours()
    hours = {at - at % 3600 for at in range(span.start_at, span.end_at, 60)}
    assert hours == set(range(*inner, 3600)) | set(edges)
    assert len(edges) <= 2
    assert not set(range(*inner, 3600)) & set(edges)


@pytest.mark.parametrize(
    ("zone", "grain"), [("UTC", 3600), ("Europe/Berlin", 3600), ("Asia/Kolkata", 900), ("Asia/Kathmandu", 900)]
)
def test_days_are_local_and_read_as_coarsely_as_their_edges_allow(zone, grain):
    """Half-hour and three-quarter-hour zones are cut at quarters."""
    span = Span(utc(2026, 10, 1), utc(2026, 11, 1))
    cut = steps(span, "1d", ZoneInfo(zone))
    assert cut.grain_seconds == grain
    for at in range(span.start_at, span.end_at, 900):
        local = datetime.fromtimestamp(at, ZoneInfo(zone))
        assert datetime.fromtimestamp(cut.start_of(at), ZoneInfo(zone)) == local.replace(hour=0, minute=0)


@pytest.mark.parametrize(("resolution", "grain"), [("1m", 60), ("5m", 60), ("15m", 900), ("1h", 3600)])
def test_shorter_steps_are_counted_in_utc(resolution, grain):
    """The time zone moves days only."""
    cut = steps(Span(utc(2026, 1, 1), utc(2026, 1, 2)), resolution, ZoneInfo("Asia/Kolkata"))
    assert cut.grain_seconds == grain
    assert (
        cut.start_of(utc(2026, 1, 1, 10, 59))
        == utc(2026, 1, 1, 10, 59) // STEP_SECONDS[resolution] * STEP_SECONDS[resolution]
    )
