"""Time adds up: however it is cut, the parts are the whole."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.sessions import statistics as stats

ZONES = ["UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]
START = 1_711_700_000  # the end of March 2024: clocks change in several of these zones

spans = st.lists(
    st.tuples(st.integers(START, START + 4 * 86_400), st.integers(0, 50_000)).map(lambda s: (s[0], s[0] + s[1])),
    max_size=8,
)


def seconds_of(some):
    return {second for start, end in some for second in range(start // 100, end // 100)}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)).map(lambda s: (s[0], s[0] + s[1]))))
def test_a_union_covers_each_second_once(some):
    """As the set of seconds does."""
    truth = {second for start, end in some for second in range(start, end)}
    assert stats.total(stats.whole_union(some)) == len(truth)


@given(spans, st.sampled_from(ZONES))
def test_hours_and_days_sum_up_to_the_total(some, name):
    """Also where clocks change, at midnight or by half an hour."""
    united, zone = stats.whole_union(some), ZoneInfo(name)
    assert sum(stats.per_day(united, zone).values()) == stats.total(united)
    assert sum(stats.per_hour(united, zone).values()) == stats.total(united)


@given(spans, spans)
def test_what_is_new_and_what_was_covered_is_everything(some, others):
    """Subtracting what another session counted leaves no second out and none twice."""
    covered, mine = stats.whole_union(others), stats.whole_union(some)
    rest = stats.without(mine, covered)
    assert stats.total(rest) + stats.total(covered) == stats.total(stats.whole_union([*some, *others]))


@pytest.mark.parametrize(
    ("zone", "at", "hours"),
    [("Europe/Berlin", 1_711_840_000, 23), ("Europe/Berlin", 1_729_980_000, 25), ("Africa/Cairo", 1_714_090_000, 23)],
)
def test_a_day_is_as_long_as_the_clock_makes_it(zone, at, hours):
    """23 hours in spring, 25 in autumn; Cairo skips midnight itself."""
    local = ZoneInfo(zone)
    assert stats.next_midnight(at, local) - stats.local_midnight(at, local) == hours * 3600


def test_a_piece_is_cut_at_the_edges_of_a_range():
    """Only what lies within counts."""
    assert stats.clip([(0, 10), (20, 30), (40, 50)], 5, 25) == [(5, 10), (20, 25)]


def test_ends_are_rounded_to_the_second_once():
    """Pieces that touch after rounding are one; what vanishes is left out."""
    assert stats.whole([(0.4, 9.6), (10.2, 20.5), (30.1, 30.2)]) == [(0, 20)]


@pytest.mark.parametrize(("seconds", "bucket"), [(0, 0), (29, 0), (30, 1), (7199, 6), (7200, 7), (90_000, 7)])
def test_durations_fall_into_eight_buckets(seconds, bucket):
    """Edges belong to the upper bucket."""
    assert stats.bucket_of(seconds) == bucket


@given(st.lists(st.integers(START - 400 * 86_400, START + 400 * 86_400)), st.sampled_from(ZONES))
def test_hours_looked_up_by_the_day_are_the_clocks(moments, name):
    """Also on the days on which clocks change."""
    zone = ZoneInfo(name)
    start_of = stats.hour_starts(zone)
    assert [start_of(at) for at in moments] == [stats.hour_start(at, zone) for at in moments]
