"""When sessions end, what they count, and that neither order nor repetition of reports matters."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.nodes.leases import Lease, Leases
from backend_api.sessions import statistics
from backend_api.sessions.lifecycle import HTTP_NODE, Fact, Interval, Session, continued, judge, merged

T = 1_800_000_000.0
HOUR = 3600


def interval(start, end=None, reason="disconnect", *, name="i1", node="n1", seen=None, version=1, boot=1):
    seen = start if seen is None else seen
    closed, why = (None, None) if end is None else (T + end, reason)
    return Interval(name, node, boot, version, T + start, T + (end if end is not None else seen), closed, why)


def session(*intervals, kind="listening"):
    return merged(None, *(Session("s1", kind, (one,)) for one in intervals))


def leases(at, complete=None, node="n1", boot=1, received=None):
    complete = at if complete is None else complete
    return Leases([Lease(node, boot, T + at, T + complete, T + (at if received is None else received))])


def facts(verdict):
    return verdict.status, None if verdict.end_at is None else verdict.end_at - T, verdict.seconds


def test_an_open_socket_counts_up_to_now_while_its_node_lives():
    """No beat is written for it: the lease stands for all sockets of a node."""
    assert facts(judge(session(interval(0)), leases(1000), T + 1003)) == ("active", None, 1003)


def test_a_clean_disconnect_ends_after_the_grace_at_the_disconnect():
    """Within the grace the session is active and counts no more than it was heard."""
    left = session(interval(0, 100))
    assert facts(judge(left, leases(110), T + 114)) == ("active", None, 100)
    assert facts(judge(left, leases(116), T + 116)) == ("completed", 100, 100)


def test_the_end_waits_for_what_a_node_has_not_delivered_yet():
    """Reports that are complete only through the disconnect may still hold the return."""
    left = session(interval(0, 100))
    assert judge(left, leases(130, complete=100), T + 130).status == "active"
    assert facts(judge(left, leases(300, complete=100), T + 300)) == ("completed", 100, 100)


@pytest.mark.parametrize(("gap", "counted"), [(0, 200), (15, 215), (16, 200), (140, 200)])
def test_a_gap_within_the_grace_is_bridged_and_a_longer_one_does_not_count(gap, counted):
    """Flaps of up to 15 seconds are listening time."""
    flapped = session(interval(0, 100, "lost"), interval(100 + gap, 200 + gap, name="i2"))
    assert judge(flapped, leases(400), T + 400).seconds == counted


def test_two_tabs_count_once():
    """Overlapping intervals are united."""
    assert judge(session(interval(0, 100), interval(50, 130, name="i2")), leases(200), T + 200).seconds == 130


def test_stop_ends_at_once_and_for_good():
    """Neither an open interval nor a later one adds to a session that was ended on purpose."""
    stopped = session(interval(0, 60, "stop"), interval(10, name="i2"), interval(70, 90, name="i3"))
    assert facts(judge(stopped, leases(61), T + 61)) == ("completed", 60, 60)


def test_a_killed_node_ends_nobody_before_the_silence_and_then_at_its_last_lease():
    """The socket of a dead node may be resumed elsewhere for 150 seconds."""
    open_session, dead = session(interval(0)), leases(100)
    assert judge(open_session, dead, T + 155).status == "active"
    assert facts(judge(open_session, dead, T + 240)) == ("active", None, 100)
    assert facts(judge(open_session, dead, T + 251)) == ("timeout", 100, 100)


def test_a_backend_that_was_away_takes_no_node_for_dead():
    """Leases are silent only since the backend itself is up again."""
    away = Leases([Lease("n1", 1, T + 100, T + 100, T + 100)], up_since=T + 3700)
    assert judge(session(interval(0)), away, T + 3750).status == "active"
    assert judge(session(interval(0, 200)), away, T + 3750).status != "active"


def test_a_new_boot_of_a_node_is_the_end_of_the_old_one():
    """The new life's lease does not keep the old life's sockets alive."""
    two = Leases([Lease("n1", 1, T + 100, T + 100, T + 100), Lease("n1", 2, T + 110, T + 110, T + 110)])
    assert facts(judge(session(interval(0)), two, T + 111)) == ("active", None, 100)
    assert facts(judge(session(interval(0, 98, "killed", version=2)), two, T + 300)) == ("timeout", 98, 98)


def test_http_beats_keep_a_session_for_150_seconds():
    """It times out at the last beat, not when that is noticed."""
    beating = session(interval(0, node=HTTP_NODE, seen=90))
    assert facts(judge(beating, Leases(), T + 240)) == ("active", None, 240)
    assert facts(judge(beating, Leases(), T + 9000)) == ("timeout", 90, 90)


def test_a_beat_stands_until_a_socket_takes_over():
    """The page's last beat over HTTP may be 45 s old then; what took longer than a beat stands for was absence."""
    for begins, counted in ((130, 300), (240, 300), (241, 90 + 59)):
        switched = session(interval(0, node=HTTP_NODE, seen=90), interval(begins, 300, name="i2"))
        verdict = judge(switched, leases(900), T + 900)
        assert (verdict.status, verdict.seconds) == ("completed", counted)


def test_what_a_session_amounts_to_does_not_depend_on_when_it_was_looked_at():
    """A stop by the socket, while the last beat over HTTP still stands, and the same judged hours later."""
    stopped = session(
        interval(0, node=HTTP_NODE, seen=90), interval(95, 100, name="i2"), interval(200, 230, "stop", name="i3")
    )
    assert judge(stopped, leases(231), T + 231) == judge(stopped, leases(9_000), T + 9_000)
    assert judge(stopped, leases(231), T + 231).seconds == 130
    beaten = session(interval(0, node=HTTP_NODE, seen=12 * HOUR - 20))
    assert judge(beaten, Leases(), T + 12 * HOUR + 10).status == "active"
    assert facts(judge(beaten, Leases(), T + 13 * HOUR)) == ("timeout", 12 * HOUR - 20, 12 * HOUR - 20)


def test_a_lesson_goes_on_while_the_phone_is_away():
    """Tutoring counts from start to end; presence is kept beside it, and only two hours of silence end it."""
    lesson = session(interval(0, 60, "lost"), interval(3600, 3660, name="i2"), kind="tutoring")
    away = judge(lesson, leases(7000), T + 7000)
    assert (facts(away), away.seen_seconds) == (("active", None, 7000), 120)
    assert facts(judge(lesson, leases(11_000), T + 11_000)) == ("timeout", 3660, 3660)
    ended = merged(lesson, session(interval(4000, 5000, "button", name="i3"), kind="tutoring"))
    assert facts(judge(ended, leases(5000), T + 5000)) == ("completed", 5000, 5000)


def test_a_listening_session_has_a_limit_of_twelve_hours():
    """What goes on after it is not counted."""
    assert facts(judge(session(interval(0)), leases(13 * HOUR), T + 13 * HOUR)) == (
        "completed", 12 * HOUR, 12 * HOUR,
    )  # fmt: skip


def test_a_late_report_corrects_an_end():
    """What was a timeout at the last lease becomes the end that the dead node's checkpoint knew."""
    lost = session(interval(0))
    assert facts(judge(lost, leases(100), T + 500)) == ("timeout", 100, 100)
    corrected = merged(lost, session(interval(0, 103, "stop", version=2)))
    assert facts(judge(corrected, leases(100), T + 500)) == ("completed", 103, 103)


@st.composite
def histories(draw):
    """Reports of a session's life: intervals with growing versions, some closed, some still open."""
    reports, at = [], 0.0
    for number in range(draw(st.integers(1, 5))):
        start = at + draw(st.integers(0, 200))
        node = draw(st.sampled_from(["n1", "n2", HTTP_NODE]))
        at = start
        for version in range(1, draw(st.integers(1, 4)) + 1):
            at += draw(st.integers(0, 90))
            reports.append(interval(start, name=f"i{number}", node=node, seen=at, version=version))
        if draw(st.booleans()):
            reason = draw(st.sampled_from(["stop", "disconnect", "lost", "killed"]))
            reports.append(interval(start, at, reason, name=f"i{number}", node=node, version=9))
    return [
        Session("s1", "listening", (r,), {"agent": Fact(r.started_at, f"a{n % 2}")}, n) for n, r in enumerate(reports)
    ]


@given(histories(), st.randoms(use_true_random=False), st.integers(0, 3000))
def test_any_order_grouping_and_repetition_give_the_same_record(reports: list, dice: random.Random, later):
    """Merging commutes, associates and repeats without effect; so does every verdict."""
    shuffled = reports + [dice.choice(reports) for _ in range(dice.randrange(4))]
    dice.shuffle(shuffled)
    cut = dice.randrange(len(shuffled))
    groups = [merged(None, *group) for group in (shuffled[:cut], shuffled[cut:]) if group]
    known = Leases([Lease(n, 1, T + later, T + later, T + later) for n in ("n1", "n2")])
    plain, mixed = merged(None, *reports), merged(None, *groups)
    assert mixed == plain
    assert judge(mixed, known, T + later) == judge(plain, known, T + later)


@given(histories(), st.integers(0, 3000), st.integers(0, 3000))
def test_what_is_over_stays_as_it_is(reports, now, later):
    """The verdict on a session that is over is a matter of its record, not of the time at which it is judged."""
    whole = merged(None, *reports)
    first = judge(whole, Leases(), T + now)
    assert first.status == "active" or judge(whole, Leases(), T + now + later) == first


@given(histories(), st.integers(0, 3000))
def test_a_session_counts_whole_disjoint_seconds_within_its_life(reports, later):
    """Pieces are in order, lie between start and end, and never sum to more than that."""
    verdict = judge(merged(None, *reports), Leases(), T + later)
    edges = [edge for piece in verdict.pieces for edge in piece]
    assert edges == sorted(set(edges))
    until = verdict.end_at if verdict.end_at is not None else max(T + later, T + 3000)
    assert verdict.seconds <= round(until) - round(min(r.started_at for r in reports)) or not verdict.pieces


def test_what_goes_on_after_a_stop_is_a_session_of_its_own():
    """A second tab that plays on, a socket that shows the token of what was ended; not a socket's last seconds."""
    stopped = session(interval(0, 100, "stop"), interval(50, 110, "lost", name="i2"))
    assert continued(stopped) is None
    assert continued(session(interval(0), interval(200, name="i2"))) is None
    second_tab = merged(stopped, session(interval(20, 400, "disconnect", name="i3", version=2)))
    again = merged(stopped, session(interval(300, name="i4", seen=320)))
    for whole, facts_then in ((second_tab, ("completed", 400, 300)), (again, ("active", None, 21))):
        rest = continued(whole)
        assert facts(judge(whole, leases(321), T + 321)) == ("completed", 100, 100)
        assert rest.id == f"{whole.id}~"
        now = 321 if facts_then[0] == "active" else 600
        assert facts(judge(rest, leases(now), T + now)) == facts_then
    assert continued(merged(again, session(interval(300, 330, "stop", name="i4", version=2)))).started_at == T + 300


def kept_in_order(reports):
    """What a store holds after these reports: each session, and what continues it."""
    kept = {}
    for report in reports:
        now = report
        while now is not None:
            kept[now.id] = merged(kept.get(now.id), now)
            now = continued(kept[now.id])
    return kept


@given(histories(), st.randoms(use_true_random=False))
def test_what_continues_a_session_is_the_same_in_any_order(reports, dice):
    """Reordered and repeated: the same sessions; and no second is counted in two of them."""
    shuffled = reports + [dice.choice(reports) for _ in range(dice.randrange(4))]
    dice.shuffle(shuffled)
    kept = kept_in_order(reports)
    assert kept_in_order(shuffled) == kept
    pieces = [piece for one in kept.values() for piece in judge(one, Leases(), T + 9_000).pieces]
    assert statistics.total(pieces) == statistics.total(statistics.whole_union(pieces))
