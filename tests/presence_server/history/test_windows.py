"""One room's minute: scripted timelines with exact figures, and random ones against a second-by-second count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract.snapshots import Part, Slot
from presence_server.history.rosters import Holder
from presence_server.history.windows import MinuteWindow

ROOM = "auction:demo"
MINUTE = 1_800_000_000 - 1_800_000_000 % 60


def _window(level: int, held_from: float = 0.0, zero_from: int | None = None) -> MinuteWindow:
    return MinuteWindow(ROOM, MINUTE, level, MINUTE + held_from, zero_from)


def _closed(window: MinuteWindow) -> Part:
    window.advance(MINUTE + 60)
    [part] = window.parts("node-1", 7)
    return part


def test_a_scripted_minute_is_exact():
    """Level 2, then 5 for ten seconds, then 1 for one second, then 3."""
    window = _window(2)
    for at, level in ((20, 5), (30, 1), (31, 3)):
        window.change(level, MINUTE + at)
    part = _closed(window)
    assert (part.min_viewers, part.peak_viewers, part.viewer_count, part.sample_count) == (1, 5, 3, 12)
    assert sum(slot.viewer_seconds for slot in part.slots) == 20 * 2 + 10 * 5 + 1 + 29 * 3
    assert part.avg_viewers == round((20 * 2 + 10 * 5 + 1 + 29 * 3) / 60, 2)


def test_a_spike_of_one_second_between_two_samples_sets_the_peak():
    """Slots are updated at each change, not read at their ends."""
    window = _window(1)
    window.change(9, MINUTE + 12)
    window.change(1, MINUTE + 13)
    part = _closed(window)
    assert part.peak_viewers == 9
    assert part.slots[2] == Slot(2, 1, 1, 9, 1, 4 + 9, 5.0)


def test_the_nothing_before_the_first_join_is_no_low():
    """A room is held from its first join; the slots before say that nobody was here, and count for nothing."""
    window = _window(1, held_from=13, zero_from=1)
    window.change(1, MINUTE + 13)
    part = _closed(window)
    assert part.slots[:2] == [Slot(1, 0, 0, 0, 0, 0.0, 0.0), Slot(2, 0, 1, 1, 1, 2.0, 2.0)]
    assert (part.min_viewers, part.avg_viewers, part.sample_count) == (1, 1.0, 10)


def test_a_room_that_empties_is_held_to_the_end_of_its_minute():
    """Its zeros count: low, average and the last count."""
    window = _window(4)
    window.change(0, MINUTE + 30)
    part = _closed(window)
    assert (part.min_viewers, part.peak_viewers, part.viewer_count, part.avg_viewers) == (0, 4, 0, 2.0)
    assert part.sample_count == 12


def test_a_change_on_a_slots_edge_belongs_to_the_later_slot():
    """The earlier slot ends at the old level, the later one begins at it."""
    window = _window(1)
    window.change(3, MINUTE + 5)
    part = _closed(window)
    assert part.slots[0] == Slot(0, 1, 1, 1, 1, 5.0, 5.0)
    assert part.slots[1] == Slot(1, 1, 1, 3, 3, 15.0, 5.0)


def test_what_happens_before_the_window_is_held_only_sets_its_level():
    """A boot that begins at the next slot counts nothing of the one in progress."""
    window = _window(2, held_from=10)
    window.change(5, MINUTE + 7)
    part = _closed(window)
    assert part.slots[0] == Slot(2, 5, 5, 5, 5, 25.0, 5.0)


def test_a_part_ends_where_it_is_told_and_is_none_without_slots():
    """Only slots below the given number are in it."""
    window = _window(2)
    window.advance(MINUTE + 60)
    [part] = window.parts("n", 1, before=3)
    assert [slot.number for slot in part.slots] == [0, 1, 2]
    assert window.parts("n", 1, before=0) == []


def test_a_restored_window_goes_on_where_it_was():
    """Slots, joins and leaves of an earlier life make the same part."""
    window = _window(2)
    window.note(1)
    window.change(3, MINUTE + 2)
    window.advance(MINUTE + 5)
    again = _window(0)
    again.restore(window.carried(0))
    assert _closed(again) == _closed(window)


CHANGES = st.lists(st.tuples(st.floats(0, 60, exclude_max=True, width=32), st.integers(0, 50)), max_size=30)


@given(held_from=st.floats(0, 55, width=32), first=st.integers(1, 50), changes=CHANGES)
def test_any_timeline_gives_a_valid_part_with_the_true_figures(held_from, first, changes):
    """Min, peak and viewer-seconds are those of the level over time, and the contract takes the part."""
    changes = sorted((at, level) for at, level in changes if at >= held_from)
    window = _window(first, held_from)
    for at, level in changes:
        window.change(level, MINUTE + at)
    part = _closed(window)

    edges = [*[at for at, _ in changes], 60]
    levels = [first, *[level for _, level in changes]]
    starts = [held_from, *[at for at, _ in changes]]
    seconds = sum(level * (end - start) for level, start, end in zip(levels, starts, edges, strict=True))
    assert (part.min_viewers, part.peak_viewers) == (min(levels), max(levels))
    assert part.viewer_count == levels[-1]
    assert sum(slot.viewer_seconds for slot in part.slots) == pytest.approx(seconds, abs=0.05)
    assert part.avg_viewers == pytest.approx(seconds / (60 - held_from), abs=0.02)
    assert Part.model_validate_json(part.model_dump_json(by_alias=True)) == part


def test_a_minute_is_cut_where_a_node_that_is_gone_held_the_room():
    """It has to be heard from the slot before it came to the one after it was seen last; one that lives, always."""
    window = _window(2)
    window.advance(MINUTE + 60)
    parts = window.parts("n1", 7, others=[Holder("n2"), Holder("n3", MINUTE + 17, MINUTE + 32)])
    said = [(part.part, part.roster, [slot.number for slot in part.slots]) for part in parts]
    assert said == [
        (None, ["n1", "n2"], [0, 1]),
        (1, ["n1", "n2", "n3"], [2, 3, 4, 5, 6, 7]),
        (2, ["n1", "n2"], [8, 9, 10, 11]),
    ]
    assert [Part.model_validate_json(part.model_dump_json(by_alias=True)) for part in parts] == parts
