"""The pace of updates, on a loop's timers that only the test fires."""

import heapq
from itertools import pairwise

import pytest

from presence_server.broadcaster import Broadcaster


class Timers:
    """`call_later`, with time that the test moves."""

    def __init__(self):
        self.now = 0.0
        self._due = []

    def call_later(self, delay, callback, room):
        heapq.heappush(self._due, (self.now + delay, len(self._due), callback, room))

    def pass_seconds(self, seconds):
        end = self.now + seconds
        while self._due and self._due[0][0] <= end + 1e-9:
            self.now, _, callback, room = heapq.heappop(self._due)
            callback(room)
        self.now = end


@pytest.fixture
def timers():
    return Timers()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def broadcaster(timers, heard):
    return Broadcaster(lambda room: heard.append((round(timers.now, 3), room)), timers.call_later, 10)


def test_the_first_change_after_a_silence_is_heard_at_once(broadcaster, timers, heard):
    """And after the next silence again, without anything kept meanwhile."""
    broadcaster.changed("a")
    timers.pass_seconds(5)
    assert len(broadcaster) == 0
    broadcaster.changed("a")
    assert heard == [(0.0, "a"), (5.0, "a")]


def test_many_changes_are_heard_ten_times_a_second(broadcaster, timers, heard):
    """However many there are, and the last one is heard."""
    for _ in range(1_000):
        broadcaster.changed("a")
        timers.pass_seconds(0.001)
    changed_last = timers.now
    timers.pass_seconds(1)
    times = [at for at, _ in heard]
    assert len(times) == 11
    assert all(later - earlier >= 0.0999 for earlier, later in pairwise(times))
    assert times[-1] >= changed_last - 0.001


def test_rooms_do_not_wait_for_each_other(broadcaster, heard):
    """Each room has its own pace."""
    for room in "abab":
        broadcaster.changed(room)
    assert heard == [(0.0, "a"), (0.0, "b")]


def test_after_silence_nothing_is_heard(broadcaster, timers, heard):
    """Neither a new change nor one that was due."""
    broadcaster.changed("a")
    broadcaster.changed("a")
    broadcaster.silence()
    broadcaster.changed("b")
    timers.pass_seconds(1)
    assert heard == [(0.0, "a")]
