"""How parts become minutes, against a model that replays every change."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract.snapshots import RoomPart
from backend_api.viewers.history import (
    NodePart,
    SlotFigures,
    Stretch,
    bucketed,
    join,
    merge_minute,
    node_part,
)

SLOT_MS = 5_000
MINUTE_MS = 60_000
AT = 1_763_719_200

# A node's minute: the count it starts with, and the changes in it as (millisecond, new count).
timelines = st.tuples(
    st.integers(0, 6), st.lists(st.tuples(st.integers(0, MINUTE_MS - 1), st.integers(0, 6)), max_size=25)
).map(lambda drawn: [(0, drawn[0]), *sorted(dict(drawn[1]).items())])


def slots_of(timeline, numbers=range(12)):
    """What a node that holds the room all the minute writes down of its timeline."""
    slots = {}
    for number in numbers:
        start, end = number * SLOT_MS, (number + 1) * SLOT_MS
        inside = [(at, count) for at, count in timeline if start < at < end]
        # A change on the very edge belongs to the slot that it begins.
        first = next(count for at, count in reversed(timeline) if at <= start)
        steps = [(start, first), *inside, (end, None)]
        counts = [count for _, count in steps[:-1]]
        viewer_ms = sum(count * (after - at) for (at, count), (after, _) in pairwise(steps))
        slots[number] = SlotFigures(first, min(counts), max(counts), counts[-1], viewer_ms, SLOT_MS)
    return slots


def truth_of(nodes):
    """Lowest and highest sum over the nodes at any moment of the minute, and the exact viewer time."""
    moments = sorted({0} | {at for timeline in nodes for at, _ in timeline})
    sums = [sum(next(c for at, c in reversed(line) if at <= moment) for line in nodes) for moment in moments]
    spans = [after - at for at, after in pairwise([*moments, MINUTE_MS])]
    return min(sums), max(sums), sum(count * span for count, span in zip(sums, spans, strict=True))


def part(node, slots, *, boot=1, number=0, roster=None):
    return NodePart(node, boot, number, slots, None if roster is None else frozenset(roster))


@given(timelines)
def test_a_minute_of_one_node_is_exact(timeline):
    """Minimum, peak and viewer time are the timeline's own; a spike between two samples counts."""
    low, peak, viewer_ms = truth_of([timeline])
    minute = merge_minute(AT, [part("a", slots_of(timeline))])
    assert (minute.low, minute.peak, minute.viewer_ms) == (low, peak, viewer_ms)
    assert (minute.low_bound, minute.peak_bound, minute.samples) == (low, peak, 12)
    assert minute.average == round(viewer_ms / MINUTE_MS, 2)
    assert minute.viewer_count == timeline[-1][1]


@given(st.lists(timelines, min_size=2, max_size=5))
def test_over_nodes_viewer_time_is_exact_and_the_truth_lies_within_the_bounds(nodes):
    """The true peak is between the reported one and its bound, so is the minimum; the average is exact."""
    low, peak, viewer_ms = truth_of(nodes)
    minute = merge_minute(AT, [part(f"n{i}", slots_of(line)) for i, line in enumerate(nodes)])
    assert minute.viewer_ms == minute.received_ms == viewer_ms
    assert minute.low_bound <= low <= minute.low
    assert minute.peak <= peak <= minute.peak_bound
    assert minute.viewer_count == sum(line[-1][1] for line in nodes)


@given(st.data())
def test_where_one_node_changes_in_a_slot_the_figures_are_exact(data):
    """As long as only one node moves within a slot, peak and minimum equal the truth."""
    nodes = [[(0, data.draw(st.integers(0, 5)))] for _ in range(3)]
    for number in range(12):
        line = nodes[data.draw(st.integers(0, 2))]
        offsets = st.integers(number * SLOT_MS + 1, (number + 1) * SLOT_MS - 1)
        line += sorted(data.draw(st.dictionaries(offsets, st.integers(0, 5), max_size=3)).items())
    low, peak, _ = truth_of(nodes)
    minute = merge_minute(AT, [part(f"n{i}", slots_of(line)) for i, line in enumerate(nodes)])
    assert (minute.low, minute.peak) == (low, peak)


@given(st.lists(timelines, min_size=1, max_size=4), st.randoms(use_true_random=False), st.data())
def test_parts_may_come_in_any_order(nodes, dice, data):
    """Merging does not depend on the order of arrival, lives of a node and split parts included."""
    parts = []
    for index, line in enumerate(nodes):
        cut = data.draw(st.integers(0, 11))
        roster = [f"n{i}" for i in range(data.draw(st.integers(0, 5)))]
        parts.append(part(f"n{index}", slots_of(line, range(cut + 1)), boot=1, roster=roster))
        parts.append(part(f"n{index}", slots_of(line, range(cut, 12)), boot=2, number=data.draw(st.integers(0, 2))))
    shuffled = parts.copy()
    dice.shuffle(shuffled)
    assert merge_minute(AT, shuffled) == merge_minute(AT, parts)


@given(st.lists(st.tuples(timelines, st.integers(0, 11)), min_size=1, max_size=20), st.data())
def test_stretches_join_in_any_grouping(minutes, data):
    """Quarters of minutes, hours of quarters or hours of minutes: the same hour."""
    stretches = [
        merge_minute(AT + 60 * i, [part("a", slots_of(line, range(known)))]) for i, (line, known) in enumerate(minutes)
    ]
    cut = data.draw(st.integers(1, len(stretches)))
    halves = [half for half in (join(stretches[:cut]), join(stretches[cut:])) if half]
    assert join(halves) == join(stretches)


def test_what_all_nodes_gain_in_a_slot_shows_at_its_end():
    """The sums at a slot's edges are true moments: twice one to five is ten at the end, and back again two."""
    rising = {0: SlotFigures(1, 1, 5, 5, 15_000, SLOT_MS)}
    falling = {1: SlotFigures(5, 1, 5, 1, 15_000, SLOT_MS)}
    minute = merge_minute(AT, [part("a", rising | falling), part("b", rising | falling)])
    assert (minute.peak, minute.low, minute.viewer_count) == (10, 2, 2)


def test_moving_viewers_between_nodes_does_not_raise_the_peak():
    """A rolling restart that moves 1,000 viewers in one slot reads 1,000 and keeps 2,000 only as the bound."""
    leaving = {0: SlotFigures(1000, 0, 1000, 0, 2_500_000, SLOT_MS)}
    arriving = {0: SlotFigures(0, 0, 1000, 1000, 2_500_000, SLOT_MS)}
    minute = merge_minute(AT, [part("a", leaving), part("b", arriving)])
    assert (minute.peak, minute.peak_bound) == (1000, 2000)
    assert (minute.low, minute.low_bound) == (1000, 0)


def test_two_lives_of_a_node_in_one_slot_are_joined():
    """Held 2 s and then 2.5 s: low and high of both, the later one's last, viewer time added."""
    before = part("a", {3: SlotFigures(4, 2, 5, 2, 6_000, 2_000)}, boot=10)
    after = part("a", {3: SlotFigures(1, 1, 3, 3, 5_000, 2_500)}, boot=11)
    minute = merge_minute(AT, [after, before])
    assert minute == Stretch(AT, 1, 3, 1, 5, 1, 11_000, 4_500, 1, 5, 11_000)


def test_of_overlapping_lives_the_later_one_counts():
    """Two lives that both held the room for the whole slot cannot both be right."""
    before = part("a", {3: SlotFigures(9, 9, 9, 9, 45_000, SLOT_MS)}, boot=10)
    after = part("a", {3: SlotFigures(2, 2, 2, 2, 10_000, SLOT_MS)}, boot=11)
    assert merge_minute(AT, [before, after]) == merge_minute(AT, [after])


def test_a_slot_counts_only_where_every_node_of_the_rosters_has_spoken():
    """A node that died with its disk makes samples miss, it never reads as an empty room."""
    alive = part("a", slots_of([(0, 3)]), roster=["a", "b"])
    died = part("b", slots_of([(0, 5)], range(4)), roster=["a", "b"])
    minute = merge_minute(AT, [alive, died])
    assert (minute.samples, minute.low, minute.peak, minute.viewer_count) == (4, 8, 8, 8)
    assert minute.average == 8.0
    assert minute.received_ms == 12 * 3 * SLOT_MS + 4 * 5 * SLOT_MS


def test_a_node_in_no_roster_is_a_true_zero():
    """Its slots add where it has some and are missed nowhere else."""
    minute = merge_minute(AT, [part("a", slots_of([(0, 3)]), roster=["a"]), part("b", slots_of([(0, 2)], range(6)))])
    assert (minute.samples, minute.low, minute.peak, minute.viewer_count) == (12, 3, 5, 3)


def test_without_a_complete_slot_there_is_no_minute_but_what_was_received_adds_up():
    """Nothing is known for sure; the viewer time that arrived is still true."""
    minute = merge_minute(AT, [part("a", slots_of([(0, 3)]), roster=["a", "gone"])])
    assert (minute.minutes, minute.samples, minute.viewer_ms, minute.received_ms) == (0, 0, 0, 180_000)
    whole = merge_minute(AT + 60, [part("a", slots_of([(0, 1)]))])
    assert minute.then(whole) == whole._replace(at=AT, received_ms=240_000)
    assert whole.then(minute) == whole._replace(received_ms=240_000)


def test_a_room_that_was_held_for_part_of_a_slot_averages_over_that_part():
    """Four viewers for two seconds are four on average, not one and a half."""
    minute = merge_minute(AT, [part("a", {11: SlotFigures(4, 4, 4, 4, 8_000, 2_000)})])
    assert (minute.average, minute.samples) == (4.0, 1)


def test_a_slot_in_which_nobody_held_the_room_is_no_sample():
    """It says that the node was there, nothing about viewers."""
    before_the_first_join = {number: SlotFigures(0, 0, 0, 0, 0, 0) for number in range(12)}
    assert merge_minute(AT, [part("a", before_the_first_join)]).samples == 0


def test_a_part_of_three_figures_reads_back_as_it_was_sent():
    """Without slots the figures stand for equal ones; without a minimum the average is it."""
    sent = RoomPart.model_validate({"viewerCount": 10, "avgViewers": 12.5, "peakViewers": 20})
    minute = merge_minute(AT, [node_part(sent)])
    assert (minute.viewer_count, minute.average, minute.peak, minute.low) == (10, 12.5, 20, 12)
    assert (minute.samples, minute.viewer_ms) == (12, 750_000)


@pytest.mark.parametrize("known", [0, 5])
def test_a_part_without_a_node_counts_only_where_no_node_has_spoken(known):
    """A presence node knows better than a host that reports a minute by hand."""
    by_hand = node_part(RoomPart.model_validate({"viewerCount": 90, "avgViewers": 90, "peakViewers": 90}))
    of_node = part("a", slots_of([(0, known)]))
    assert merge_minute(AT, [by_hand, of_node]) == merge_minute(AT, [of_node])


def test_slots_of_the_wire_are_read_in_milliseconds():
    """Seconds on the wire, integers inside; the roster is a set."""
    sent = RoomPart.model_validate(
        {"viewerCount": 2, "avgViewers": 1.5, "peakViewers": 2, "node": "a", "boot": 7, "part": 1, "roster": ["b", "a"],
         "slots": [[11, 1, 1, 2, 2, 7.5, 5]]}
    )  # fmt: skip
    slots = {11: SlotFigures(1, 1, 2, 2, 7_500, 5_000)}
    assert node_part(sent) == NodePart("a", 7, 1, slots, frozenset({"a", "b"}))


def test_buckets_hold_what_falls_into_them_and_gaps_stay_gaps():
    """Three minutes in two five-minute buckets that are not neighbours."""
    rows = [merge_minute(AT + 60 * i, [part("a", slots_of([(0, i)]))]) for i in (1, 2, 11)]
    points = bucketed(rows, lambda at: at - at % 300)
    assert [(point.at - AT, point.minutes, point.peak) for point in points] == [(0, 2, 2), (600, 1, 11)]


def test_a_long_joined_range_stays_exact():
    """A day of random minutes: sums are integers, so nothing is lost to rounding."""
    dice = random.Random(5)
    rows = [
        merge_minute(AT + 60 * i, [part("a", slots_of([(0, 1), (dice.randrange(1, MINUTE_MS), 2)]))])
        for i in range(1440)
    ]
    day = join(rows)
    assert day.viewer_ms == sum(row.viewer_ms for row in rows)
    assert (day.minutes, day.samples, day.held_ms) == (1440, 17_280, 86_400_000)
