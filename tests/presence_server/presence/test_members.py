"""Who is accused of being dead, and by what evidence."""

import pytest

from presence_server.presence.members import BEAT_SECONDS, Members, next_inc

A, B = "a.1", "b.1"


@pytest.fixture
def members():
    return Members()


def _read_on(members, counters, start, seconds):
    """Readings at the pace of beats; what was silent in each."""
    times = [start + BEAT_SECONDS * n for n in range(int(seconds / BEAT_SECONDS) + 1)]
    return [(at, members.read(counters, at).silent) for at in times]


def test_a_counter_that_does_not_move_for_ten_seconds_of_readings_is_an_accusation(members):
    """With the counter that was seen, so that a beat in the last moment saves the accused."""
    silent = _read_on(members, {A: 7}, 100.0, 12)
    assert [at for at, accused in silent if accused] == [110.0, 112.0]
    assert silent[-1][1] == {A: 7}


def test_a_counter_that_moves_is_life(members):
    """However slowly the readings come."""
    for beat in range(10):
        assert members.read({A: beat}, 100.0 + 9.0 * beat).silent == {}


def test_few_readings_prove_nothing_however_long_they_took(members):
    """A reader that was paused itself accuses nobody."""
    assert members.read({A: 7}, 0.0).silent == {}
    for at in (1_000.0, 1_001.0, 1_002.0, 1_003.0):
        assert members.read({A: 7}, at).silent == {}


def test_a_reading_that_failed_begins_the_observation_anew(members):
    """An outage of Redis is nobody's fault."""
    _read_on(members, {A: 7}, 100.0, 8)
    members.miss()
    silent = _read_on(members, {A: 7}, 110.0, 10)
    assert [at for at, accused in silent if accused] == [120.0]


def test_a_reading_tells_who_came_and_went(members):
    """And the edition changes with it, only then."""
    assert members.read({A: 1}, 0.0)[:2] == ({A}, set())
    edition = members.edition
    assert members.read({A: 2}, 2.0)[:2] == (set(), set())
    assert members.edition == edition
    assert members.read({B: 1}, 4.0)[:2] == ({B}, {A})
    assert members.edition != edition
    assert (A in members, B in members, len(members)) == (False, True, 1)


def test_who_is_gone_left_when_its_counter_last_moved(members):
    """Not when it was noticed; nothing is known of strangers."""
    members.read({A: 1}, 0.0)
    members.read({A: 2}, 2.0)
    _read_on(members, {A: 2}, 4.0, 8)
    members.read({}, 14.0)
    assert members.left_at(A, 14.0) == 2.0
    assert members.left_at(B, 14.0) == 14.0


def test_incarnations_only_grow():
    """Also where the clock went back."""
    assert next_inc(0, 12.5) == 12_500
    assert next_inc(12_500, 3.0) == 12_501
