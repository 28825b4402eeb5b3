"""The clock, with both of its sources moved by hand."""

import pytest

from presence_server.clock import Clock


class Times:
    """A wall clock and a monotonic clock that only a test moves."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.monotonic = 50.0

    def pass_seconds(self, seconds: float, *, step: float = 0.0) -> None:
        self.monotonic += seconds
        self.wall += seconds + step


@pytest.fixture
def times():
    return Times()


@pytest.fixture
def clock(times):
    return Clock(wall=lambda: times.wall, monotonic=lambda: times.monotonic)


def test_time_comes_from_the_wall_once_and_from_the_monotonic_clock_after_that(clock, times):
    """A wall clock that jumps is not seen before somebody checks."""
    times.pass_seconds(3, step=-1000)
    assert clock.now() == pytest.approx(1_800_000_003)


@pytest.mark.parametrize("step", [3600.0, -3600.0, 0.6, -0.6])
def test_a_step_starts_a_new_boot_and_is_followed(clock, times, step):
    """Beyond half a second, either way, the time is the wall's again and the boot another one."""
    boot = clock.boot
    times.pass_seconds(5, step=step)
    assert clock.check() is True
    assert clock.now() == pytest.approx(times.wall)
    assert clock.boot > boot


@pytest.mark.parametrize("drift", [0.4, -0.4])
def test_a_small_drift_is_slewed_away_without_a_new_boot_or_a_jump(clock, times, drift):
    """Time goes at most one percent faster or slower until it agrees with the wall, and never back."""
    boot = clock.boot
    times.pass_seconds(5, step=drift)
    seen = [clock.now()]
    for _ in range(60):
        assert clock.check() is False
        times.pass_seconds(5)
        seen.append(clock.now())
        assert 4.95 <= seen[-1] - seen[-2] <= 5.05
    assert clock.boot == boot
    assert seen[-1] == pytest.approx(times.wall, abs=0.01)


def test_a_pause_starts_a_new_boot(clock, times):
    """A process that was stopped does not know what happened meanwhile, even where both clocks agree."""
    times.pass_seconds(9)
    assert not clock.paused()
    assert clock.check() is False
    times.pass_seconds(11)
    assert clock.paused()
    assert clock.check() is True
    assert not clock.paused()


def test_boots_only_grow(times):
    """A wall clock that went back between two lives does not make the later one look earlier."""
    clock = Clock(last_boot=9_999_999_999_999, wall=lambda: times.wall, monotonic=lambda: times.monotonic)
    assert clock.boot == 10_000_000_000_000
    times.pass_seconds(5, step=-100)
    clock.check()
    assert clock.boot == 10_000_000_000_001
