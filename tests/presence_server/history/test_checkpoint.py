"""Closed slots survive the death of the process that closed them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from presence_server.history import checkpoint as module
from presence_server.history.checkpoint import (
    Checkpoint,
    closed_record,
    decode,
    encode,
    levels_record,
    replay,
    rooms_record,
)
from presence_server.history.sampler import Sampler, carried
from presence_server.history.windows import minute_of
from presence_server.presence.memory import MemoryPresence

MINUTE = 1_800_000_000 - 1_800_000_000 % 60
ALONE = MemoryPresence().roster
HEAD = {"node": "node-1", "boot": 7, "minute": MINUTE}


def _slots(parts):
    return {part.room: part.slots for part in parts}


def _records(sampler: Sampler, at: float):
    records = []
    for slot, windows in sampler.closed_slots(at):
        records += [rooms_record(carried(slot, [window])) for window in windows]
        records.append(closed_record(slot % 12, 0))
    return records


def test_a_dead_boots_slots_become_its_parts():
    """Rooms that changed are as they were, quiet ones kept their level; the slot in progress is missing."""
    sampler = Sampler("node-1", 7, MINUTE, {"auction:quiet": 4})
    records = [HEAD, levels_record(MINUTE, {"auction:quiet": 4})]
    sampler.change("auction:a", 1, 1, MINUTE + 2)
    records += _records(sampler, MINUTE + 5)
    sampler.change("auction:a", 3, 1, MINUTE + 6)
    records += _records(sampler, MINUTE + 15)
    sampler.change("auction:a", 9, 1, MINUTE + 16)
    parts = {part.room: part for part in replay(decode(b"".join(map(encode, records))))}
    assert [slot.number for slot in parts["auction:a"].slots] == [0, 1, 2]
    assert (parts["auction:a"].peak_viewers, parts["auction:a"].viewer_count, parts["auction:a"].joins) == (3, 3, 2)
    assert (parts["auction:quiet"].avg_viewers, parts["auction:quiet"].sample_count) == (4.0, 3)
    assert {(part.node, part.boot) for part in parts.values()} == {("node-1", 7)}


def test_a_torn_or_altered_line_ends_what_is_believed():
    """Whatever the kill left of the last line, the lines before it count."""
    lines = [encode(closed_record(number, 0)) for number in range(3)]
    for cut in range(len(lines[2])):
        assert len(decode(lines[0] + lines[1] + lines[2][:cut])) == 2
    altered = lines[1].replace(b"1", b"2", 1)
    assert len(decode(lines[0] + altered + lines[2])) == 1
    assert decode(b"\x00" * 4096) == []


def test_slots_after_a_missing_one_are_not_believed():
    """A record that could not be written leaves a gap; what changed in it is unknown."""
    records = [HEAD, levels_record(MINUTE, {"auction:a": 1}), closed_record(0, 0), closed_record(2, 0)]
    [part] = replay(records)
    assert [slot.number for slot in part.slots] == [0]


def test_a_slot_that_was_not_closed_is_not_believed():
    """Killed between the slices of a busy slot: some rooms are written, but it does not say that all are."""
    sampler = Sampler("node-1", 7, MINUTE)
    sampler.change("auction:a", 1, 1, MINUTE + 1)
    records = [HEAD, *_records(sampler, MINUTE + 5)]
    sampler.change("auction:a", 9, 1, MINUTE + 6)
    unfinished = _records(sampler, MINUTE + 10)[:-1]
    [part] = replay([*records, *unfinished])
    assert ([slot.number for slot in part.slots], part.peak_viewers) == ([0], 1)


def test_nothing_is_made_of_an_empty_file():
    """Killed before the first line was whole."""
    assert replay([]) == []
    assert replay([HEAD]) == []


async def test_files_are_kept_by_boot_and_minute_until_they_are_removed(tmp_path):
    """A new process finds them; removing twice is harmless."""
    checkpoint = Checkpoint(tmp_path, "node-1")
    await checkpoint.append(7, MINUTE, [levels_record(MINUTE, {"auction:a": 2}), closed_record(0, 0)])
    await checkpoint.append(7, MINUTE + 60, [levels_record(MINUTE + 60, {"auction:a": 2}), closed_record(0, 0)])
    found = list(Checkpoint(tmp_path, "node-1").leftovers())
    assert [part.timestamp.timestamp() for leftover in found for part in leftover.parts] == [MINUTE, MINUTE + 60]
    files = await checkpoint.files(7, MINUTE)
    assert files == [found[0].path]
    await checkpoint.remove(files)
    await checkpoint.remove(files)
    assert await checkpoint.files(7) == [found[1].path]


async def test_what_could_not_be_written_is_written_with_what_follows(tmp_path):
    """A folder that is away for a while costs nothing of the minute; nor does it stop the next minute's file."""
    checkpoint, levels = Checkpoint(tmp_path / "data", "node-1"), levels_record(MINUTE, {"auction:a": 1})
    await checkpoint.append(7, MINUTE, [levels])
    await checkpoint.append(7, MINUTE, [closed_record(0, 0)])
    assert list(checkpoint.leftovers()) == []
    (tmp_path / "data").mkdir()
    await checkpoint.append(7, MINUTE + 60, [levels_record(MINUTE + 60, {"auction:a": 1}), closed_record(0, 0)])
    await checkpoint.append(7, MINUTE, [closed_record(1, 0)])
    assert [[slot.number for slot in left.parts[0].slots] for left in checkpoint.leftovers()] == [[0, 1], [0]]


async def test_nothing_is_written_without_what_is_missing_before_it(tmp_path, monkeypatch):
    """The disk takes the few bytes of `closed` and not the rooms before it: the slots before it are all there is."""
    checkpoint = Checkpoint(tmp_path, "node-1")
    await checkpoint.append(7, MINUTE, [levels_record(MINUTE, {"auction:a": 1}), closed_record(0, 0)])

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    sampler = Sampler("node-1", 7, MINUTE, {"auction:a": 1})
    sampler.change("auction:a", 90, 1, MINUTE + 6)
    with monkeypatch.context() as patched:
        patched.setattr(module, "_append", full)
        await checkpoint.append(7, MINUTE, _records(sampler, MINUTE + 10)[1:])
    [leftover] = checkpoint.leftovers()
    assert [slot.number for part in leftover.parts for slot in part.slots] == [0]
    await checkpoint.append(7, MINUTE, [closed_record(2, 0)])
    [leftover] = checkpoint.leftovers()
    assert [(slot.number, slot.high) for part in leftover.parts for slot in part.slots] == [(0, 1), (1, 90), (2, 90)]


async def test_what_waits_for_the_disk_is_bounded_and_the_oldest_file_is_given_up(tmp_path, monkeypatch):
    """A later minute's file is whole; nothing is added to the one that lacks something."""
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    checkpoint = Checkpoint(tmp_path / "data", "node-1")
    for number in range(3):
        await checkpoint.append(7, MINUTE, [closed_record(number, 0)])
    await checkpoint.append(7, MINUTE + 60, [levels_record(MINUTE + 60, {"auction:a": 1}), closed_record(0, 0)])
    (tmp_path / "data").mkdir()
    await checkpoint.append(7, MINUTE, [closed_record(3, 0)])
    await checkpoint.append(7, MINUTE + 60, [closed_record(1, 0)])
    assert [left.parts[0].timestamp.timestamp() - MINUTE for left in checkpoint.leftovers()] == [60]


async def test_what_was_filed_is_not_written_any_more(tmp_path):
    """A file that never came to be is not made once its minute has arrived elsewhere."""
    checkpoint = Checkpoint(tmp_path / "data", "node-1")
    await checkpoint.append(7, MINUTE, [levels_record(MINUTE, {"auction:a": 1}), closed_record(0, 0)])
    await checkpoint.remove(await checkpoint.files(7, MINUTE))
    (tmp_path / "data").mkdir()
    await checkpoint.append(7, MINUTE + 60, [closed_record(0, 0)])
    assert len(list((tmp_path / "data").iterdir())) == 1


def test_a_file_whose_first_slots_are_missing_has_none():
    """What was held is known from the minute's start; what became of it until the third slot is not."""
    assert replay([HEAD, levels_record(MINUTE, {"auction:a": 1}), closed_record(2, 0)]) == []


async def test_a_file_that_cannot_be_removed_or_read_stops_nothing(tmp_path):
    """It is a folder by accident: said in the log, and passed over."""
    checkpoint = Checkpoint(tmp_path, "node-1")
    odd = tmp_path / "checkpoint-0000000000000007-001800000000.log"
    odd.mkdir()
    await checkpoint.remove([odd])
    assert (list(checkpoint.leftovers()), odd.exists()) == ([], True)


async def test_files_are_trimmed_from_the_oldest_on(tmp_path):
    """Until the others are small enough together."""
    files = [tmp_path / name for name in "abc"]
    for path in files:
        path.write_bytes(b"x" * 10)
    assert await Checkpoint(tmp_path, "node-1").trim(files, 20) == files[1:]
    assert [path.exists() for path in files] == [False, True, True]


EVENTS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 12), st.booleans(), st.booleans()), max_size=40)


@settings(deadline=None)
@given(events=EVENTS)
def test_a_replay_has_exactly_the_slots_that_an_orderly_end_would_have(events):
    """Whatever happened and whenever the ticks came, as long as the minute is the same."""
    sampler, at = Sampler("node-1", 7, MINUTE), float(MINUTE)
    levels, records = dict.fromkeys("abc", 0), [HEAD]
    for room, pause, joins, tick in events:
        if minute_of(at + pause) != MINUTE:
            break
        at += pause
        if joins or levels[room]:
            levels[room] += 1 if joins else -1
            sampler.change(f"auction:{room}", levels[room], 1 if joins else -1, at)
        if tick:
            records += _records(sampler, at)
    assert _slots(replay(records)) == _slots(sampler.abandon(ALONE))
