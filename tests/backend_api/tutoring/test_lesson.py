"""A lesson's changes, against a plain model of what happened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.service.errors import Conflict
from backend_api.tutoring.lesson import (
    CLOSE_GRACE_SECONDS,
    Claimed,
    Delivery,
    Lesson,
    alive,
    ended,
    observed,
    started,
    swept,
)

T0 = 1_795_257_000.0
TIMEOUT = 7_200.0


def fresh():
    return Lesson(
        id="l1", teacher_id="t1", teacher_name="Tara", student_id="s1", student_name="Sam", link="https://zoom.us/j/1",
        sent_at=T0, expires_at=T0 + 86_400, created_from="1.2.3.4", began_or_sent_at=T0,
        delivery=Delivery(state="none"),
    )  # fmt: skip


def active(at=T0):
    return started(fresh(), at, address="5.6.7.8")


steps = st.lists(
    st.tuples(st.integers(1, 5_000), st.sampled_from(["beat", "close", "button", "start", "sweep"])), max_size=25
)


@given(steps)
def test_the_duration_is_what_a_plain_model_says(story):
    """Beats, closes, reloads, sweeps and ends in any order: one lesson, to the second."""
    lesson, now = active(), T0
    last, over = T0, None
    for pause, what in story:
        now += pause
        if (
            over is not None
            and over[1] == "pageClose"
            and what in ("beat", "start")
            and now - over[0] <= CLOSE_GRACE_SECONDS
        ):
            over = None
        match what:
            case "beat":
                lesson = alive(lesson, now)
            case "start":
                try:
                    lesson = started(lesson, now, address="5.6.7.8")
                except Conflict:
                    assert over is not None
            case "close" | "button":
                reason = "pageClose" if what == "close" else "button"
                lesson = ended(lesson, now, Claimed(reason, 90_000))
                over = over or (now, reason)
            case "sweep":
                lesson = swept(lesson, now, timeout_seconds=TIMEOUT)
                if over is None and now - last >= TIMEOUT:
                    over = (last, "timeout")
        if over is None and what != "sweep":
            last = now
    if over is None:
        assert (lesson.status, lesson.duration_seconds) == ("active", None)
    else:
        assert lesson.end_reason == over[1]
        assert abs((lesson.duration_seconds or 0) - (over[0] - T0)) <= 1
    assert lesson.seen_seconds <= now - T0


stretches = st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 900)), min_size=1, max_size=6).map(
    lambda found: [(T0 + start, T0 + start + length) for start, length in found]
)


@given(stretches, st.randoms())
def test_what_sockets_saw_counts_once_in_any_order(seen, dice):
    """Overlaps and repetitions change nothing; being away is no end."""
    shuffled = [*seen, *seen]
    dice.shuffle(shuffled)
    whole = observed(active(), tuple(seen), connected=False, ended_at=None)
    pieces = active()
    for stretch in shuffled:
        pieces = observed(pieces, (stretch,), connected=False, ended_at=None)
    assert (pieces.seen, pieces.seen_seconds, pieces.last_activity_at) == (
        whole.seen,
        whole.seen_seconds,
        whole.last_activity_at,
    )
    assert pieces.status == "active"


def test_a_late_report_moves_a_timeout():
    """The sweep knew of no later sign of life; the report that comes late does."""
    lesson = swept(active(), T0 + 8_000, timeout_seconds=TIMEOUT)
    assert (lesson.status, lesson.duration_seconds) == ("timeout", 0)
    lesson = observed(lesson, ((T0, T0 + 1_500),), connected=False, ended_at=None)
    assert (lesson.status, lesson.duration_seconds) == ("timeout", 1_500)
    lesson = observed(lesson, (), connected=False, ended_at=T0 + 1_400)
    assert (lesson.status, lesson.end_reason, lesson.duration_seconds) == ("ended", "button", 1_400)


def test_sockets_start_nothing():
    """A page that is only open is no lesson."""
    assert observed(fresh(), ((T0, T0 + 60),), connected=True, ended_at=None) == fresh()
    assert alive(fresh(), T0 + 60) == fresh()


def test_a_start_from_the_creators_own_address_is_marked():
    """It may be the teacher trying the link."""
    assert started(fresh(), T0, address="1.2.3.4").started_by_creator is True
    assert active().started_by_creator is False


def test_an_expired_link_starts_nothing():
    """The first click has to come in time."""
    with pytest.raises(Conflict):
        started(fresh(), T0 + 86_400, address="5.6.7.8")
