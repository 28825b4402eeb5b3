"""The installation on paper: expected values of rooms whose viewers come and go independently. Pure.

A room of mean size v on N nodes: each node has a Poisson number of its viewers (M/M/infinity), mean v / N. A node holds
the room with probability 1 - exp(-v / N), and hears it as long as it did within the last `HOLD_SECONDS`.
"""

from math import exp

from scripts.scale.load import Load, sketching, standing
from scripts.scale.plan import (
    ESTIMATE_ABOVE,
    HOLD_SECONDS,
    IN_SCRIPT,
    PERIOD_SECONDS,
    REFRESH_SECONDS,
    STORM_SECONDS,
    UNITE_SECONDS,
    UPDATES_PER_SECOND,
    Plan,
)

_SECONDS_PER_PERSON = 20e-6
_SMALL_SET = 128


def expected(plan: Plan) -> Load:
    """The steady state."""
    load = standing(plan)
    for size in plan.sizes():
        _add_room(load, plan, size)
    load.counted += _united(plan)
    load.sketched = sketching(plan)
    return load


def expected_storm(plan: Plan) -> Load:
    """What comes on top while the viewers of one node come back on the others, and its rooms are cleaned up."""
    load, seconds = Load(), STORM_SECONDS
    for size in plan.sizes():
        mean, back = size / plan.nodes, size / plan.nodes / (plan.nodes - 1) / seconds
        hears, holds = _hears(plan, mean), 1 - exp(-mean)
        said = (plan.nodes - 1) * _coalesced(back) + holds / seconds
        load.changes += said
        load.change_holders += said * (plan.nodes - 2) * holds if size <= IN_SCRIPT else 0
        load.messages += said * (1 + (plan.nodes - 2) * hears)
    load.joins = plan.viewers / plan.nodes / seconds
    return load


def _add_room(load: Load, plan: Plan, size: float) -> None:
    nodes, mean = plan.nodes, size / plan.nodes
    moves = 2 * mean / plan.stay_seconds  # of the room on one node
    holds, hears = 1 - exp(-mean), _hears(plan, mean)
    begins = mean / plan.stay_seconds * (1 - hears)
    said = nodes * _coalesced(moves)
    # Who comes is there when it is told, and larger rooms change more often: half a viewer more than on average.
    there = size + 0.5
    read = nodes * (hears / REFRESH_SECONDS + begins)
    load.joins += size / plan.stay_seconds
    load.changes += said
    load.messages += said * (1 + (nodes - 1) * hears)
    load.reads += read
    load.read_holders += read * max(nodes * holds - 1, 0)
    if size <= IN_SCRIPT:
        load.change_holders += said * (nodes - 1) * holds
        load.counted += said * there * (1 - exp(-(nodes - 1) * mean))
    load.updates += there * _told(2 * size / plan.stay_seconds)
    load.held += nodes * holds
    load.heard += nodes * hears
    load.entries += nodes * hears * (nodes - 1) * holds
    load.occupied += 1 - exp(-size)
    if size <= ESTIMATE_ABOVE:
        further = size - nodes * holds
        load.small_sets += further if mean <= _SMALL_SET else 0
        load.large_sets += further if mean > _SMALL_SET else 0


def _hears(plan: Plan, mean: float) -> float:
    """Somebody is here, or somebody came within the time that an empty room is still heard."""
    return 1 - exp(-mean * (1 + HOLD_SECONDS / plan.stay_seconds))


def _coalesced(rate: float) -> float:
    """Changes that are said, of a room on one node: one in each period that has any."""
    return (1 - exp(-rate * PERIOD_SECONDS)) / PERIOD_SECONDS


def _told(rate: float) -> float:
    """How often a room hears its count: the first change at once, then at most so often."""
    return rate / (1 + rate / UPDATES_PER_SECOND)


def _united(plan: Plan) -> float:
    """People counted in rooms too large for every change: one node after the other room, at its own pace."""
    rooms = [(size, 2 * size / plan.stay_seconds) for size in plan.sizes() if IN_SCRIPT < size <= ESTIMATE_ABOVE]
    pause, counted = UNITE_SECONDS, 0.0
    for _ in range(30):
        counted = sum(size * (1 - exp(-rate * pause)) for size, rate in rooms)
        pause = UNITE_SECONDS + counted * _SECONDS_PER_PERSON
    return counted / pause
