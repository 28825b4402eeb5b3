"""Which processes run, and what they all end with: decided without starting any."""

from hypothesis import given
from hypothesis import strategies as st

from presence_server.respawn import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, STEADY_SECONDS, Crew


def _running(count: int) -> Crew:
    crew = Crew(count, 0.0)
    for number in crew.due(0.0):
        crew.started(number, 100 + number, 0.0)
    return crew


def test_at_first_all_are_due_and_then_none():
    """Each is started once."""
    crew = Crew(3, 0.0)
    assert crew.due(0.0) == [1, 2, 3]
    assert _running(3).due(1e9) == []
    assert _running(3).next_due_at() is None


def test_one_that_ends_is_started_again_later_each_time_that_it_fails_soon():
    """The wait doubles up to a bound, and begins anew once it ran steadily; the others are left alone."""
    crew, now, waits = _running(2), 1.0, []
    for pid in range(200, 212):
        waits.append(crew.ended(crew.pids()[0], 1, now, was_ready=True))
        assert crew.due(now) == []
        now = crew.next_due_at()
        assert crew.due(now) == [1]
        crew.started(1, pid, now)
        now += 1
    assert waits[:3] == [FIRST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2, FIRST_WAIT_SECONDS * 4]
    assert max(waits) == waits[-1] == LONGEST_WAIT_SECONDS
    assert crew.ended(crew.pids()[0], 1, now + STEADY_SECONDS, was_ready=True) == FIRST_WAIT_SECONDS
    assert not crew.stopping


def test_one_that_never_was_ready_ends_all_with_its_status():
    """A port, a folder or a setting that is wrong is wrong for good: nobody is started for ever in vain."""
    crew = _running(2)
    assert crew.ended(101, 75, 0.5, was_ready=False) is None
    assert (crew.stopping, crew.status, crew.pids()) == (True, 75, [102])
    assert crew.ended(102, 0, 1.0, was_ready=True) is None
    assert crew.status == 75


def test_after_a_stop_nobody_is_started_and_a_failure_shows():
    """0 only where all ended well."""
    crew = _running(3)
    crew.ended(101, 1, 0.5, was_ready=True)
    crew.stop()
    assert crew.due(1e9) == []
    crew.ended(102, 0, 2.0, was_ready=True)
    assert crew.status == 0
    crew.ended(103, 1, 2.0, was_ready=True)
    assert (crew.status, crew.pids()) == (1, [])


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 100)), max_size=60))
def test_however_they_end_each_number_runs_at_most_once_and_is_never_forgotten(steps):
    """A place is running, or due at some time: until the stop none is neither or both."""
    crew, now, pid = Crew(3, 0.0), 0.0, 1000
    for choice, seconds in steps:
        now += seconds
        for number in crew.due(now):
            pid += 1
            crew.started(number, pid, now)
        running = crew.pids()
        if choice < len(running):
            crew.ended(running[choice], 1, now, was_ready=True)
        pids = crew.pids()
        assert len(set(pids)) == len(pids)
        assert len(pids) + len(crew.due(now + LONGEST_WAIT_SECONDS)) == 3
