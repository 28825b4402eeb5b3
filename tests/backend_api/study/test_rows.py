"""The provider's stays laid beside ours."""

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from backend_api.sessions.statistics import whole
from backend_api.study.calls import Facts, Joined, Left, spans_of_call, stays
from backend_api.study.matching import Measured
from backend_api.study.rows import Manual, call_spans, hours_by_day, within
from backend_api.study.rows import rows as rows_of

UTC = ZoneInfo("UTC")
NOW = 200_000.0


def rows(measured, calls, manual, now):
    """The rows of what was measured, and of the provider's facts by call."""
    return rows_of(measured, {call: stays(facts) for call, facts in calls.items()}, manual, now)


def ours(number, start, seconds, user="ann", call="c"):
    pieces = tuple(whole([(start, start + seconds)]))
    return Measured(f"s{number}", user, call, start, start + seconds, pieces)


def theirs(*told, user="ann"):
    joined = frozenset(Joined(f"k{start}", user, start) for start, _ in told)
    left = frozenset(Left(f"k{start}", user, start + seconds, seconds) for start, seconds in told)
    return Facts(joined=joined, left=left)


STRETCHES = st.lists(st.tuples(st.integers(0, 100_000).map(float), st.integers(1, 5_000)), max_size=5)


@given(STRETCHES, STRETCHES)
def test_every_stay_of_the_provider_is_in_exactly_one_row(mine, heard):
    """Each session of ours is a row; what is left over is a row of its own; provider seconds add up."""
    facts = theirs(*heard)
    found = rows([ours(n, *one) for n, one in enumerate(mine)], {"c": facts}, {}, NOW)
    assert len({row.id for row in found}) == len(found) >= len(mine)
    told = whole((stay.start, stay.end or NOW) for stay in stays(facts))
    assert sum(row.provider_seconds or 0 for row in found) >= sum(end - start for start, end in told)
    assert all((row.source == "provider") is (row.provider_seconds is not None) for row in found)


@given(STRETCHES, STRETCHES)
def test_the_days_hold_each_second_once(mine, heard):
    """However many rows overlap, a day's sum is the length of their union."""
    found = rows([ours(n, *one) for n, one in enumerate(mine)], {"c": theirs(*heard)}, {}, NOW)
    days = hours_by_day(found, 0, int(NOW), UTC)
    covered = {second for row in found for start, end in row.pieces for second in range(start, end)}
    assert sum(days.values()) == len(covered)


def test_a_stay_belongs_to_the_session_it_overlaps_most():
    """And within a minute to the nearest one; beyond that it is a session that only the provider knows."""
    mine = [ours(1, 1_000.0, 600), ours(2, 5_000.0, 600)]
    found = {
        row.joined_at: row for row in rows(mine, {"c": theirs((1_020.0, 570), (5_650.0, 60), (9_000.0, 100))}, {}, NOW)
    }
    assert (found[1_000.0].seconds, found[1_000.0].server_seconds) == (570, 600)
    assert found[5_000.0].provider_seconds == 60
    assert found[9_000.0].server_seconds is None
    assert found[9_000.0].id.startswith("p-")


def test_a_correction_beats_every_measure():
    """The sources stay."""
    (row,) = rows([ours(1, 1_000.0, 600)], {"c": theirs((1_000.0, 500))}, {"s1": Manual(300, "why", "boss", 0.0)}, NOW)
    assert (row.source, row.seconds, row.provider_seconds, row.server_seconds) == ("manual", 300, 500, 600)


def test_a_call_that_is_held_again_is_another_span():
    """A room used daily does not add its days up; everybody in one of them sees the same."""
    mine = [ours(1, 1_000.0, 600), ours(2, 1_200.0, 900, user="bob"), ours(3, 90_000.0, 60)]
    found = rows(mine, {}, {}, NOW)
    spans = call_spans([], found, NOW)
    assert spans == [(1_000, 2_100), (90_000, 90_060)]
    assert [within(row, spans, NOW) for row in found] == [[(90_000, 90_060)], [(1_000, 2_100)], [(1_000, 2_100)]]
    assert call_spans([(900.0, 2_200.0)], found, NOW) == [(900, 2_200)]


def still_there(start, user="ann", key="k"):
    return Facts(joined=frozenset({Joined(key, user, start)}))


def test_an_open_stay_beside_a_session_that_was_ended_waits_for_its_end():
    """The page says `end` a moment before the provider hears of it: until then our own measure stands."""
    (row,) = rows([ours(1, 1_000.0, 600)], {"c": still_there(1_005.0)}, {}, 1_700.0)
    assert (row.source, row.seconds, row.left_at, row.provider_seconds) == ("server", 600, 1_600.0, None)
    told = still_there(1_005.0).merge(Facts(left=frozenset({Left("k", "ann", 1_602.0, 597)})))
    (row,) = rows([ours(1, 1_000.0, 600)], {"c": told}, {}, 1_700.0)
    assert (row.source, row.seconds, row.server_seconds) == ("provider", 597, 600)


def test_an_open_stay_beside_a_session_that_fell_silent_goes_on():
    """Our socket was lost, not the learner: the provider still sees them."""
    silent = ours(1, 1_000.0, 600)._replace(fell_silent=True)
    (row,) = rows([silent], {"c": still_there(1_005.0)}, {}, 4_005.0)
    assert (row.source, row.seconds, row.left_at) == ("provider", 3_000, None)


def test_an_open_stay_is_not_taken_over_by_a_later_session():
    """The `left` was lost: the next call of the same id begins when it begins."""
    mine = [ours(1, 1_000.0, 600), ours(2, 9_000.0, 900)]
    found = {row.id: row for row in rows(mine, {"c": still_there(1_005.0)}, {}, 9_900.0)}
    assert [(found[one].joined_at, found[one].seconds, found[one].source) for one in ("s1", "s2")] == [
        (1_000.0, 600, "server"),
        (9_000.0, 900, "server"),
    ]


def test_a_stay_whose_end_is_never_told_is_no_measure():
    """After a day: beside ours the server's own counts, alone it counts nothing, and the call is over."""
    (alone,) = rows([], {"c": still_there(1_000.0)}, {}, 1_000.0 + 86_401)
    assert (alone.seconds, alone.pieces, alone.left_at) == (0, (), 1_000.0)
    again = still_there(1_000.0).merge(theirs((90_000.0, 60)))
    assert {(row.joined_at, row.seconds) for row in rows([], {"c": again}, {}, NOW)} == {(1_000.0, 0), (90_000.0, 60)}
    silent = ours(1, 1_000.0, 600)._replace(fell_silent=True)
    (row,) = rows([silent], {"c": still_there(1_005.0)}, {}, 1_005.0 + 86_401)
    assert (row.source, row.seconds, row.left_at) == ("server", 600, 1_600.0)
    opened = Facts(opened=frozenset({1_000.0}))
    assert call_spans(spans_of_call(opened, 90_000.0), [row], 90_000.0) == [(1_000, 1_600)]
    assert call_spans(spans_of_call(opened, 3_000.0), [row], 3_000.0) == [(1_000, 3_000)]


def test_a_stay_over_two_sessions_of_ours_is_counted_once():
    """A page that was gone for more than a minute: each of its sessions has its part of what the provider saw."""
    mine = [ours(1, 1_000.0, 1_800), ours(2, 2_900.0, 1_700)]
    found = {row.id: row for row in rows(mine, {"c": theirs((1_000.0, 3_600))}, {}, NOW)}
    assert [(found[one].joined_at, found[one].left_at, found[one].seconds, found[one].source) for one in found] == [
        (2_900.0, 4_600.0, 1_700, "provider"),
        (1_000.0, 2_900.0, 1_900, "provider"),
    ]


def test_sessions_side_by_side_share_no_stay():
    """Two tabs: each has the stay that it overlaps most, whole."""
    mine = [ours(1, 1_000.0, 3_600), ours(2, 2_000.0, 600)]
    found = {row.id: row for row in rows(mine, {"c": theirs((1_000.0, 3_590), (2_000.0, 590))}, {}, NOW)}
    assert found["s1"].provider_seconds == 3_590


def test_a_lost_left_before_another_connection_counts_no_gap():
    """The provider knows that the last connection left; when the first one did is not known, and not guessed."""
    facts = still_there(1_000.0, key="a").merge(still_there(6_000.0, key="b"))
    facts = facts.merge(Facts(left=frozenset({Left("b", "ann", 6_600.0, 600)})))
    found = rows([], {"c": facts}, {}, 10_000.0)
    assert [(row.joined_at, row.left_at, row.seconds) for row in found] == [
        (6_000.0, 6_600.0, 600),
        (1_000.0, 1_000.0, 0),
    ]
