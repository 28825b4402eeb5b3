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


@settings(max_examples=300, derandomize=True, deadline=None)
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


@settings(max_examples=500, derandomize=True, deadline=None)
@given(steps=FAULTS, offsets=OFFSETS)
def test_whatever_dies_nothing_untrue_is_said(steps, offsets):
    """Ends, kills, lost disks, several lives: what is not known is missing, and what is said is true."""
    cluster = _cluster(**offsets)
    _check_sound(cluster, _play(cluster, steps))


def test_a_scripted_minute_over_three_nodes_is_exact():
    """One node changes in each slot: minimum, peak, average and every slot are the truth, summed by hand."""
    cluster = _cluster()
    for at, name, step in (
        (0, "a", 3),
        (7, "b", 2),
        (12, "c", 5),
        (18, "a", -1),
        (23, "b", 4),
        (24, "b", -6),
        (41, "c", 1),
    ):
        cluster.at(at)
        cluster.nodes[name].count(step)
    cluster.end()
    minute = cluster.minute(0)
    seconds = 7 * 3 + 5 * 5 + 6 * 10 + 5 * 9 + 1 * 13 + 17 * 7 + 19 * 8
    assert (minute.low, minute.peak, minute.viewer_count, minute.samples) == (3, 13, 8, 12)
    assert (minute.viewer_ms, minute.average) == (seconds * 1_000, round(seconds / 60, 2))
    assert (minute.low_bound, minute.peak_bound) == (3, 13)
    _check_sound(cluster, 1)


def test_where_several_nodes_change_the_truth_lies_within_the_bounds():
    """Three nodes swing in one slot, never all at once: the figures are less than the truth, the bounds more."""
    cluster = _cluster()
    for name in NODES:
        cluster.nodes[name].count(2)
    for at, name, step in ((21, "a", 8), (22, "b", 8), (22.5, "a", -8), (23, "c", 8), (23.5, "b", -8), (24, "c", -8)):
        cluster.at(at)
        cluster.nodes[name].count(step)
    cluster.end()
    slot = cluster.slots(0)[4]
    assert (slot.peak, cluster.truth(0, 4).peak, slot.peak_bound) == (14, 22, 30)
    _check_sound(cluster, 1)


def test_a_rolling_restart_that_moves_a_thousand_viewers_does_not_raise_the_peak():
    """Each node is drained in turn and its viewers come back on the others, some of which had nobody before."""
    cluster = _cluster()
    cluster.nodes["a"].count(1_000)
    second = 3.0
    for leaving, arriving in (("a", "b"), ("b", "c"), ("c", "a")):
        for _ in range(20):
            cluster.at(second)
            cluster.nodes[leaving].count(-50)
            cluster.at(second + 0.05)
            cluster.nodes[arriving].count(50)
            second += 0.1
        cluster.at(second)
        cluster.nodes[leaving].stop()
        cluster.at(second + 2)
        cluster.nodes[leaving].start()
        second += 11
    cluster.end()
    minute = cluster.minute(0)
    assert (minute.peak, minute.viewer_count, minute.samples) == (1_000, 1_000, 12)
    assert (minute.low_bound, minute.low, minute.peak_bound) == (0, 1_000, 2_000)
    _check_sound(cluster, 1)


def test_a_node_that_is_killed_with_its_disk_lowers_the_samples_and_invents_no_zeros():
    """Of the slots until it was known to be dead nobody knows the whole; all others are as they were."""
    cluster = _cluster()
    for name, viewers in zip(NODES, (4, 5, 6), strict=True):
        cluster.nodes[name].count(viewers)
    cluster.at(67)
    cluster.nodes["c"].count(-6)
    cluster.at(92)
    cluster.nodes["b"].kill(disk_kept=False)
    cluster.at(185)
    before, of_death, after = (cluster.minute(number) for number in range(3))
    assert (before.samples, before.low, before.peak) == (12, 15, 15)
    assert (of_death.samples, of_death.low, of_death.peak) == (4, 4, 4)
    assert {number for number, slot in cluster.slots(1).items() if slot.samples} == {8, 9, 10, 11}
    assert (after.samples, after.low, after.peak) == (12, 4, 4)
    _check_sound(cluster, 3)


def test_a_node_that_dies_inside_a_minute_with_its_disk_kept_costs_the_slots_after_its_last_closed_one():
    """What it had closed is filed by its next life, which is trusted from its next slot on."""
    cluster = _cluster()
    cluster.nodes["a"].count(4)
    cluster.nodes["b"].count(5)
    cluster.at(32)
    cluster.nodes["b"].kill(disk_kept=True)
    cluster.at(36)
    cluster.nodes["b"].start()
    cluster.at(41)
    cluster.nodes["b"].count(5)
    cluster.end()
    slots = cluster.slots(0)
    assert {number for number, slot in slots.items() if slot.samples} == {0, 1, 2, 3, 4, 5, 8, 9, 10, 11}
    minute = cluster.minute(0)
    assert (minute.samples, minute.low, minute.peak) == (10, 4, 9)
    _check_sound(cluster, 1)


def test_a_room_that_moves_to_another_node_keeps_its_average():
    """The old node's zeros and the new one's count together; no second is missing or counted twice."""
    cluster = _cluster()
    cluster.at(10)
    cluster.nodes["a"].count(6)
    cluster.at(33)
    cluster.nodes["a"].count(-6)
    cluster.nodes["a"].stop()
    cluster.at(33.5)
    cluster.nodes["b"].count(6)
    cluster.at(125)
    first, second = cluster.minute(0), cluster.minute(1)
    assert (first.viewer_ms, first.samples, first.peak) == ((23_000 + 26_500) * 6, 10, 6)
    assert (second.average, second.samples, second.low) == (6.0, 12, 6)


def test_two_lives_of_a_node_in_one_slot_lose_nothing():
    """Stopped and started again within two seconds: the slot holds the seconds of both."""
    cluster = _cluster()
    cluster.nodes["a"].count(1)
    cluster.nodes["b"].count(3)
    cluster.at(21)
    cluster.nodes["b"].stop()
    cluster.at(22)
    cluster.nodes["b"].start()
    cluster.at(23)
    cluster.nodes["b"].count(3)
    cluster.end()
    slot = cluster.slots(0)[4]
    assert (slot.samples, slot.viewer_ms, slot.low, slot.peak) == (1, 5_000 + 3_000 + 6_000, 1, 4)
    assert cluster.minute(0).samples == 12


def test_a_part_that_comes_a_day_late_completes_its_minute():
    """Until then the slots are missing; afterwards it is as if it had come in time."""
    cluster = _cluster()
    cluster.nodes["a"].count(2)
    cluster.nodes["b"].count(3)
    cluster.end()
    late, cluster.nodes["b"].parts = cluster.nodes["b"].parts, []
    assert cluster.minute(0).samples == 0
    cluster.nodes["b"].parts = late
    assert (cluster.minute(0).samples, cluster.minute(0).peak) == (12, 5)


def test_a_room_that_comes_to_a_second_node_had_no_low_there_before():
    """In one slot to both: the room's lowest is what the first had until the second came."""
    cluster = _cluster()
    cluster.at(11)
    cluster.nodes["a"].count(2)
    cluster.at(13)
    cluster.nodes["b"].count(3)
    cluster.end()
    minute = cluster.minute(0)
    assert (minute.low, minute.low_bound, minute.peak, minute.samples) == (2, 2, 5, 10)
    assert (minute.viewer_ms, minute.held_ms) == (2_000 * 49 + 3_000 * 47, 49_000)
