"""All rooms of a boot: minutes turn, rooms are carried over, boots end."""

from hypothesis import given
from hypothesis import strategies as st

from presence_server.history.sampler import Sampler, carried
from presence_server.presence.memory import MemoryPresence

MINUTE = 1_800_000_000 - 1_800_000_000 % 60
ALONE = MemoryPresence().roster


def _sampler(held_from: float = 0.0, levels=None) -> Sampler:
    return Sampler("node-1", 7, MINUTE + held_from, levels)


def _parts(sampler: Sampler, limit: int = 1_000):
    taken = []
    while windows := sampler.take_closed(limit):
        taken += [part for window in windows for part in window.parts("node-1", 7)]
    return taken


def test_a_minute_is_closed_when_it_is_over_and_the_room_goes_on():
    """The next minute begins at the level the last one ended with, full from its start."""
    sampler = _sampler()
    sampler.change("auction:a", 3, 1, MINUTE + 10)
    sampler.turn(MINUTE + 59.9)
    assert _parts(sampler) == []
    sampler.turn(MINUTE + 60)
    [first] = _parts(sampler)
    sampler.turn(MINUTE + 120)
    [second] = _parts(sampler)
    assert (first.sample_count, first.slots[2].held_seconds) == (10, 4.999)
    assert (second.sample_count, second.avg_viewers, second.joins) == (12, 3.0, 0)
    assert second.timestamp.timestamp() == MINUTE + 60


def test_an_empty_room_is_forgotten_with_its_minute():
    """It has a part in the minute in which it empties, none in the next."""
    sampler = _sampler()
    sampler.change("auction:a", 1, 1, MINUTE + 10)
    sampler.change("auction:a", 0, -1, MINUTE + 20)
    sampler.turn(MINUTE + 60)
    assert [(part.viewer_count, part.joins, part.leaves) for part in _parts(sampler)] == [(0, 1, 1)]
    sampler.turn(MINUTE + 120)
    assert _parts(sampler) == []
    assert sampler.levels() == {}


def test_a_room_that_changes_before_its_minute_was_taken_is_carried_over_on_the_spot():
    """The late change is in the new minute, and each minute is given out once."""
    sampler = _sampler(levels={"auction:a": 1, "auction:b": 1})
    sampler.change("auction:a", 2, 1, MINUTE + 61)
    first = _parts(sampler, limit=1)
    assert sorted((part.room, part.peak_viewers) for part in first) == [("auction:a", 1), ("auction:b", 1)]
    sampler.turn(MINUTE + 120)
    assert {part.room: part.peak_viewers for part in _parts(sampler)} == {"auction:a": 2, "auction:b": 1}


def test_a_quiet_room_gets_a_part_for_every_minute_that_passed():
    """Also when nobody looked for several minutes."""
    sampler = _sampler(levels={"auction:a": 2})
    sampler.turn(MINUTE + 200)
    assert [(part.timestamp.timestamp() - MINUTE, part.avg_viewers) for part in _parts(sampler)] == [
        (0, 2.0),
        (60, 2.0),
        (120, 2.0),
    ]


def test_closed_slots_name_the_rooms_that_changed_in_them_once():
    """Each slot is given out once, in order; a quiet slot is there, without rooms."""
    sampler = _sampler()
    sampler.change("auction:a", 1, 1, MINUTE + 1)
    sampler.change("auction:b", 1, 1, MINUTE + 6)
    closed = [
        (slot - MINUTE // 5, sorted(carried(slot, windows))) for slot, windows in sampler.closed_slots(MINUTE + 15)
    ]
    assert closed == [(0, ["auction:a"]), (1, ["auction:b"]), (2, [])]
    assert sampler.closed_slots(MINUTE + 19) == []


def test_an_abandoned_boot_covers_only_the_slots_it_gave_out():
    """After a step of the clock the slot in progress stays uncovered, in the old boot and in the new one."""
    sampler = _sampler(levels={"auction:a": 4})
    sampler.closed_slots(MINUTE + 10)
    sampler.change("auction:a", 9, 1, MINUTE + 12)
    levels = sampler.levels()
    [old] = sampler.abandon(ALONE)
    new = Sampler("node-1", 8, MINUTE + 15, levels)
    new.turn(MINUTE + 60)
    [window] = new.take_closed(10)
    [part] = window.parts("node-1", 8)
    assert [slot.number for slot in old.slots] == [0, 1]
    assert [slot.number for slot in part.slots] == list(range(3, 12))
    assert (old.peak_viewers, part.min_viewers) == (4, 9)
    assert sampler.take_closed(10) == []


def test_the_end_covers_the_slot_in_progress_as_far_as_it_went():
    """A shutdown in mid-slot keeps its seconds, and says that nobody is here before and after."""
    sampler = _sampler()
    sampler.change("auction:a", 2, 1, MINUTE + 10)
    [part] = sampler.end(MINUTE + 17, ALONE)
    assert [(slot.number, slot.held_seconds) for slot in part.slots[2:4]] == [(2, 4.999), (3, 2.0)]
    assert {slot.held_seconds for slot in (*part.slots[:2], *part.slots[4:])} == {0.0}
    assert sampler.end(MINUTE + 18, ALONE) == []


STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 40), st.booleans()), max_size=40)


@given(steps=STEPS, ticks=st.lists(st.floats(0.1, 30), max_size=20))
def test_no_second_is_lost_or_counted_twice(steps, ticks):
    """Over any changes and ticks, all parts together hold each room's true viewer-seconds."""
    sampler, at = _sampler(), float(MINUTE)
    levels, seconds, parts = {"a": 0, "b": 0}, {"a": 0.0, "b": 0.0}, []
    for index, (room, pause, joins) in enumerate(steps):
        for name, level in levels.items():
            seconds[name] += level * pause
        at += pause
        if joins or levels[room]:
            step = 1 if joins else -1
            levels[room] += step
            sampler.change(f"auction:{room}", levels[room], step, at)
        if index < len(ticks):
            sampler.closed_slots(at)
            sampler.turn(at)
            parts += _parts(sampler, limit=1)
    parts += sampler.end(at, ALONE)
    for room, true in seconds.items():
        mine = [part for part in parts if part is not None and part.room == f"auction:{room}"]
        assert abs(sum(slot.viewer_seconds for part in mine for slot in part.slots) - true) < 0.01 * (1 + len(mine))
        minutes = [part.timestamp for part in mine]
        assert len(set(minutes)) == len(minutes)
