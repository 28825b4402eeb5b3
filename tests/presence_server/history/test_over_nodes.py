"""One room over several nodes: what the backend makes of their parts, beside the truth."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.presence_server.history.timeline import START, Cluster, Node

NODES = ("a", "b", "c")


def _cluster(**offsets: float) -> Cluster:
    cluster = Cluster(**(dict.fromkeys(NODES, 0.0) | offsets))
    for node in cluster.nodes.values():
        node.start()
    return cluster


def _close(found: float, true: float, viewers: int = 1) -> bool:
    """Every node writes milliseconds, and rounds to the next."""
    return abs(found - true) <= 0.002 * (viewers + 3)


def _check_sound(cluster: Cluster, minutes: int) -> None:
    """Whatever is said is true: of every complete slot all bounds hold, and where one node changed they are exact."""
    for minute in range(minutes):
        for number, slot in cluster.slots(minute).items():
            truth = cluster.truth(minute, number)
            if not slot.samples or START + 60 * minute in cluster.unnoticed:
                continue
            where = f"minute {minute} slot {number}: {slot} {truth}"
            assert truth is not None, where
            assert _close(slot.viewer_ms / 1_000, truth.viewer_seconds, truth.peak * 3), where
            assert _close(slot.held_ms / 1_000, truth.held_seconds), where
            assert slot.low_bound <= truth.low <= slot.low, where
            assert slot.peak <= truth.peak <= slot.peak_bound, where
            assert slot.viewer_count == truth.last, where
            if truth.movers <= 1:
                assert (slot.low, slot.peak) == (truth.low, truth.peak), where


STEPS = st.lists(st.tuples(st.integers(1, 900), st.sampled_from(NODES), st.integers(-3, 3)), max_size=40)
OFFSETS = st.fixed_dictionaries({name: st.integers(-50, 50).map(lambda ms: ms / 100) for name in NODES})


def _play(cluster: Cluster, steps) -> int:
    """Let viewers come and go and nodes end, at times that no two nodes share; how many minutes that took."""
    at = 0.0
    for pause, name, step in steps:
        at += pause / 100
        cluster.at(at + 0.001 + 0.003 * NODES.index(name))
        _do(cluster.nodes[name], step)
    cluster.end()
    return int(at // 60) + 1


def _do(node: Node, step: int | str) -> None:
    if node.sampler is None:
        if step == "start" and node.can_start:
            node.start()
    elif isinstance(step, int):
        if step := max(step, -node.level):
            node.count(step)
    elif step == "stop":
        if node.can_stop:
            node.stop()
    elif step != "start":
        node.kill(disk_kept=step == "kill")


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, offsets=OFFSETS)
def test_without_faults_every_slot_is_known_and_true(steps, offsets):
    """Whoever comes and goes where, clocks half a second apart: no slot in which the room was held is missing."""
    cluster = _cluster(**offsets)
    minutes = _play(cluster, steps)
    _check_sound(cluster, minutes)
    for minute in range(minutes):
        known = {number for number, slot in cluster.slots(minute).items() if slot.samples}
        held = {
            number for number in range(12) if (truth := cluster.truth(minute, number)) and truth.held_seconds > 0.001
        }
        assert known >= held


FATES = st.one_of(st.integers(-3, 3), st.integers(1, 3), st.sampled_from(["stop", "kill", "lose", "start", "start"]))
FAULTS = st.lists(st.tuples(st.integers(1, 900), st.sampled_from(NODES), FATES), max_size=40)


@settings(max_examples=300, report_multiple_bugs=False, deadline=None)
@given(steps=FAULTS, offsets=OFFSETS)
def test_whatever_dies_nothing_untrue_is_said(steps, offsets):
    """Ends, kills, lost disks, several lives: what is not known is missing, and what is said is true."""
    cluster = _cluster(**offsets)
    _check_sound(cluster, _play(cluster, steps))
