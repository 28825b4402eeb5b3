"""A lesson's changes, against a plain model of what happened."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.service.errors import Conflict
from backend_api.tutoring import lesson as changes
from backend_api.tutoring.lesson import (
    CLOSE_GRACE_SECONDS,
    Claimed,
    Correction,
    Delivery,
    Lesson,
    corrected,
)

T0 = 1_795_257_000.0
TIMEOUT = 7_200.0


def started(lesson, now, **said):
    return changes.started(lesson, now, timeout_seconds=TIMEOUT, **said)


def alive(lesson, now):
    return changes.alive(lesson, now, timeout_seconds=TIMEOUT)


def ended(lesson, now, claimed):
    return changes.ended(lesson, now, claimed, timeout_seconds=TIMEOUT)


def observed(lesson, stretches, *, connected=False, ends=()):
    return changes.observed(lesson, stretches, connected=connected, ends=ends, timeout_seconds=TIMEOUT)


def swept(lesson, now):
    return changes.swept(lesson, now, timeout_seconds=TIMEOUT)


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
        if over is None and now - last >= TIMEOUT:
            over = (last, "timeout")
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
                lesson = swept(lesson, now)
        if over is None and what != "sweep":
            last = now
    lesson = swept(lesson, now)
    if over is None:
        assert (lesson.status, lesson.duration_seconds) == ("active", None)
    else:
        assert lesson.end_reason == over[1]
        assert abs((lesson.duration_seconds or 0) - (over[0] - T0)) <= 1
    assert lesson.seen_seconds <= (now if over is None else over[0]) - T0


stretches = st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 900)), min_size=1, max_size=6).map(
    lambda found: [(T0 + start, T0 + start + length) for start, length in found]
)


@given(stretches, st.randoms())
def test_what_sockets_saw_counts_once_in_any_order(seen, dice):
    """Overlaps and repetitions change nothing; being away is no end."""
    shuffled = [*seen, *seen]
    dice.shuffle(shuffled)
    whole = observed(active(), tuple(seen))
    pieces = active()
    for stretch in shuffled:
        pieces = observed(pieces, (stretch,))
    assert (pieces.seen, pieces.seen_seconds, pieces.last_activity_at) == (
        whole.seen,
        whole.seen_seconds,
        whole.last_activity_at,
    )
    assert pieces.status == "active"


def test_a_late_report_moves_a_timeout():
    """The sweep knew of no later sign of life; the report that comes late does."""
    lesson = swept(active(), T0 + 8_000)
    assert (lesson.status, lesson.duration_seconds) == ("timeout", 0)
    lesson = swept(observed(lesson, ((T0, T0 + 1_500),)), T0 + 9_000)
    assert (lesson.status, lesson.duration_seconds) == ("timeout", 1_500)
    lesson = observed(lesson, (), ends=(T0 + 1_400,))
    assert (lesson.status, lesson.end_reason, lesson.duration_seconds) == ("ended", "button", 1_400)


def test_sockets_start_nothing():
    """A page that is only open is no lesson."""
    assert observed(fresh(), ((T0, T0 + 60),), connected=True) == fresh()
    assert alive(fresh(), T0 + 60) == fresh()


def test_a_start_from_the_creators_own_address_is_marked():
    """It may be the teacher trying the link."""
    assert started(fresh(), T0, address="1.2.3.4").started_by_creator is True
    assert active().started_by_creator is False


def test_an_expired_link_starts_nothing():
    """The first click has to come in time."""
    with pytest.raises(Conflict):
        started(fresh(), T0 + 86_400, address="5.6.7.8")


@pytest.mark.parametrize("is_swept", [True, False])
@pytest.mark.parametrize("gap", [TIMEOUT, 6 * 3_600.0])
def test_a_phone_that_wakes_after_the_timeout_bills_no_silence(is_swept, gap):
    """What comes a timeout after the last sign of life comes after the end, swept or not, by socket or by HTTP."""
    lesson, woken = observed(active(), ((T0, T0 + 300),)), T0 + 300 + gap
    lesson = swept(lesson, woken) if is_swept else lesson
    by_socket = swept(observed(lesson, ((woken, woken + 2),), ends=(woken + 1,)), woken + TIMEOUT)
    by_http = [alive(lesson, woken), ended(lesson, woken, Claimed("button"))]
    for changed in (by_socket, *by_http):
        assert (changed.status, changed.duration_seconds, changed.seen_seconds) == ("timeout", 300, 300)
    with pytest.raises(Conflict):
        started(lesson, woken, address="5.6.7.8")


def test_a_report_that_fills_the_gap_makes_one_lesson_of_it():
    """The node was cut off for hours, the student was not: known late, it counts as if it had been known at once."""
    parts = [(T0, T0 + 300), (T0 + 300, T0 + 9_000), (T0 + 9_000, T0 + 9_600)]
    for order in permutations(parts):
        lesson = active()
        for part in order:
            lesson = swept(observed(lesson, (part,)), T0 + 9_600)
        assert (lesson.status, lesson.last_activity_at, lesson.seen_seconds) == ("active", T0 + 9_600, 9_600)


def test_presence_is_evidence_of_the_lesson_alone():
    """A page that was open before the start, and a tab that stays open after the end, add nothing."""
    lesson = observed(active(T0 + 1_000), ((T0, T0 + 1_060),))
    lesson = observed(ended(lesson, T0 + 1_060, Claimed("button")), ((T0, T0 + 5_000),))
    assert (lesson.duration_seconds, lesson.seen_seconds) == (60, 60)


def test_an_end_event_from_before_the_start_ends_nothing():
    """The page was looked at, ended and opened again."""
    lesson = observed(active(T0 + 100), ((T0, T0 + 200),), ends=(T0 + 50,))
    assert lesson.status == "active"
    assert observed(lesson, (), ends=(T0 + 50, T0 + 160)).duration_seconds == 60


@given(st.integers(0, 86_399_999), st.integers(0, 7_199))
def test_whole_seconds_stay_whole(milliseconds, seconds):
    """Times are kept to the millisecond; binary fractions take no second off a lesson."""
    began = T0 + milliseconds / 1000
    over = ended(active(began), (round(began * 1000) + seconds * 1000) / 1000, Claimed("button"))
    assert over.duration_seconds == seconds


def test_a_lesson_that_may_be_back_is_not_corrected_yet():
    """Else the correction would be the bill of a lesson that goes on."""
    lesson = ended(active(), T0 + 600, Claimed("pageClose"))
    early, late = (Correction(seconds=300, reason="x", by="boss", at=T0 + 600 + wait) for wait in (60, 91))
    with pytest.raises(Conflict):
        corrected(lesson, early)
    assert corrected(lesson, late).billed_from_seconds == 300
    assert alive(corrected(lesson, late), T0 + 700).status == "ended"


def test_of_two_ends_the_earlier_one_counts():
    """The socket took the word while the backend was away; the page said it again later, and what it believed."""
    said, again = T0 + 600, T0 + 900
    late = observed(ended(active(), again, Claimed("button", 10)), ((T0, said),), ends=(said,))
    early = ended(observed(active(), ((T0, said),), ends=(said,)), again, Claimed("button", 10))
    for lesson in (late, early, observed(late, (), ends=(said + 100,))):
        assert (lesson.status, lesson.end_reason, lesson.duration_seconds) == ("ended", "button", 600)
        assert ended(lesson, again + 1, Claimed("button", 99)).client_minutes == 10


@pytest.mark.parametrize("ends", [(), (T0 + 6_000,)])
def test_a_corrected_lesson_is_settled(ends):
    """What is reported after the correction is evidence; status, end and duration stay."""
    lesson = observed(swept(observed(active(), ((T0, T0 + 600),)), T0 + 8_000), ())
    lesson = corrected(lesson, Correction(seconds=600, reason="agreed", by="boss", at=T0 + 8_000))
    later = observed(lesson, ((T0 + 600, T0 + 7_000),), connected=True, ends=ends)
    assert (later.status, later.duration_seconds, later.connected) == ("timeout", 600, False)


def test_a_lesson_that_is_over_has_nobody_present():
    """Whatever other page of it is still open."""
    lesson = ended(active(), T0 + 600, Claimed("button"))
    assert observed(lesson, ((T0, T0 + 700),), connected=True).connected is False


def test_silence_ends_no_lesson_whose_socket_is_open():
    """Nothing could be heard of it for hours: it was we who were away."""
    lesson = observed(active(), ((T0, T0 + 300),), connected=True)
    assert alive(swept(lesson, T0 + 9_300), T0 + 9_300).status == "active"
    assert swept(observed(lesson, ()), T0 + 9_400).duration_seconds == 300
