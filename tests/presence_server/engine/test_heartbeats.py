"""Who is pinged when, and who is silent, with time as a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence_server.engine.heartbeats import Heartbeats


class Session:
    def __init__(self):
        self.awaited = False
        self.round = None


def test_a_session_is_pinged_an_interval_after_it_came_and_after_every_ping():
    """As long as it answers."""
    heartbeats, session = Heartbeats(25.0, 20.0), Session()
    heartbeats.add(session, 0.0)
    for ping_at in (25.0, 50.0, 75.0):
        assert heartbeats.look(ping_at - 0.1) == ([], [])
        assert heartbeats.look(ping_at) == ([session], [])
        session.awaited = False
        assert heartbeats.look(ping_at + 20.0) == ([], [])


def test_who_does_not_answer_is_told_once():
    """At the timeout of the ping; the others of its round go on."""
    heartbeats, silent, answers = Heartbeats(25.0, 20.0), Session(), Session()
    heartbeats.add(silent, 0.0)
    heartbeats.add(answers, 0.5)
    assert set(heartbeats.look(25.0)[0]) == {silent, answers}
    answers.awaited = False
    assert heartbeats.look(44.9) == ([], [])
    assert heartbeats.look(45.0) == ([], [silent])
    assert heartbeats.look(50.0) == ([answers], [])


def test_who_is_removed_is_neither_pinged_nor_told():
    """Whether it was to be pinged or awaited; removing twice is removing once."""
    heartbeats, early, late = Heartbeats(25.0, 20.0), Session(), Session()
    for session in (early, late):
        heartbeats.add(session, 0.0)
    heartbeats.remove(early)
    assert heartbeats.look(25.0) == ([late], [])
    for _ in range(2):
        heartbeats.remove(late)
    assert heartbeats.look(100.0) == ([], [])


def test_a_timeout_longer_than_the_interval_pings_the_late_once_they_have_answered():
    """Those who answered in time are pinged in time; nobody is pinged twice without an answer."""
    heartbeats, quick, slow, silent = Heartbeats(10.0, 25.0), Session(), Session(), Session()
    for session in (quick, slow, silent):
        heartbeats.add(session, 0.0)
    heartbeats.look(10.0)
    quick.awaited = False
    assert heartbeats.look(20.0) == ([quick], [])
    slow.awaited = quick.awaited = False
    assert heartbeats.look(30.0) == ([quick], [])
    assert heartbeats.look(35.0) == ([slow], [silent])


@pytest.mark.parametrize(("interval", "timeout"), [(5.0, 3.0), (3.0, 5.0), (4.0, 4.0)])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "remove", "answer", "look", "look"]), st.integers(0, 5), st.floats(0, 2))
    )
)
def test_whatever_comes_nobody_is_forgotten_or_pinged_twice(interval, timeout, steps):
    """Any order of comings, goings, answers and looks: all are pinged in time, silent exactly at the timeout."""
    heartbeats, sessions, last, now = Heartbeats(interval, timeout), {}, {}, 0.0
    patience = max(interval, timeout)
    for step, name, passed in steps:
        now += passed
        session = sessions.get(name)
        if step == "add" and session is None:
            sessions[name] = session = Session()
            heartbeats.add(session, now)
            last[session] = now
        elif step == "remove" and session is not None:
            heartbeats.remove(sessions.pop(name))
        elif step == "answer" and session is not None:
            session.awaited = False
        elif step == "look":
            awaited = {s for s in sessions.values() if s.awaited}
            pinged, silent = heartbeats.look(now)
            assert len(set(pinged)) == len(pinged) and not awaited & set(pinged)
            assert set(silent) == {s for s in awaited if last[s] + timeout <= now}
            assert all(s.awaited for s in pinged)
            last |= dict.fromkeys(pinged, now)
            sessions = {n: s for n, s in sessions.items() if s not in silent}
            assert all(now - last[s] < patience for s in sessions.values() if not s.awaited)
            assert set(pinged) <= set(sessions.values())
