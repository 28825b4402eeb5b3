"""The demo's sessions: the same for the same day, believable, and nothing a server would refuse."""

from collections import Counter
from itertools import pairwise

from backend_api.contract.sessions import IntervalReport
from scripts.stack import seed_sessions
from scripts.stack.links import DEMO_CHANNEL, DEMO_TEACHER

DAY_AT = 1_795_219_200.0
DAY = 86_400
LATER = DAY_AT + 40 * DAY


def test_listening_is_of_the_contract_and_the_same_every_time():
    """Guests and users, several devices and countries, each session once."""
    day = list(seed_sessions.listening(DEMO_CHANNEL, DAY_AT))
    assert day == list(seed_sessions.listening(DEMO_CHANNEL, DAY_AT))
    reports = [IntervalReport.model_validate(one) for one in day]
    assert len({report.session_id for report in reports}) == len(reports) > 20
    assert len({report.country for report in reports}) > 3
    assert len({report.user_agent for report in reports}) > 3
    assert {report.user_id is None for report in reports} == {True, False}


def test_study_calls_of_a_learner_follow_each_other():
    """A learner sits in one call after another, on most days for some hours."""
    days = [seed_sessions.studying(DAY_AT + number * DAY) for number in range(30)]
    reports = [IntervalReport.model_validate(one) for day in days for one in day]
    for learner in {report.user_id for report in reports}:
        own = [report for report in reports if report.user_id == learner]
        assert all(one.closed_at < next_one.started_at for one, next_one in pairwise(own))
    hours = sum((report.closed_at - report.started_at).total_seconds() for report in reports) / 3_600
    assert 30 < hours < 300


def test_a_month_of_lessons_has_every_end_and_both_ways_to_pay():
    """Most end with the button; some are cancelled, never opened, or time out at the last sign of life."""
    month = [lesson for number in range(30) for lesson in seed_sessions.lessons(DAY_AT + number * DAY, LATER)]
    assert len({lesson.id for lesson in month}) == len(month)
    ends = Counter(lesson.end_reason or lesson.status for lesson in month)
    assert set(ends) == {"button", "pageClose", "timeout", "cancelled", "pending"}
    assert ends["button"] > len(month) / 2
    assert {lesson.terms.rate_unit for lesson in month} == {"hour", "session"}
    over = [lesson for lesson in month if lesson.duration_seconds is not None]
    assert all(20 * 60 < lesson.duration_seconds < 100 * 60 for lesson in over)
    assert all(lesson.seen_seconds <= lesson.duration_seconds for lesson in over)


def test_what_has_not_happened_yet_is_left_out():
    """At noon the afternoon's lessons are not known, and none is going on."""
    for number in range(7):
        noon = DAY_AT + (number + 0.5) * DAY
        for lesson in seed_sessions.lessons(DAY_AT + number * DAY, noon):
            assert lesson.sent_at <= noon
            assert lesson.ended_at is None or lesson.ended_at <= noon
            assert lesson.status != "active"


def test_the_teachers_are_those_of_the_links():
    """The page that scripts/up opens for a teacher has the demo's lessons on it."""
    assert DEMO_TEACHER in {teacher.id for teacher in seed_sessions.TEACHERS}
