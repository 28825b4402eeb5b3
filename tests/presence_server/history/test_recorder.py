"""From a change of a count to the outbox, with moved time and real files."""

import asyncio
import time
from contextlib import asynccontextmanager

import orjson
import pytest
from blockbuster import blockbuster_ctx

from presence_server.clock import Clock
from presence_server.delivery.outbox import Outbox, opened
from presence_server.folder import DataFolder
from presence_server.history import recorder as module
from presence_server.history.checkpoint import Checkpoint
from presence_server.history.recorder import Recorder
from presence_server.history.rosters import Holder
from presence_server.rooms import CountChange, Counts

MINUTE = 1_800_000_000 - 1_800_000_000 % 60
ROOM = "auction:demo"


class Node:
    """A recorder on a folder of its own, and the time it lives in."""

    def __init__(self, folder: DataFolder, outbox: Outbox) -> None:
        self.wall = float(MINUTE)
        self.monotonic = 100.0
        self.levels: dict[str, int] = {}
        self.clock = Clock(folder.last_boot(), lambda: self.wall, lambda: self.monotonic)
        self.outbox = outbox
        self.folder = folder
        self.others: dict[tuple[str, int], list[Holder]] = {}
        checkpoint = Checkpoint(folder.path, "node-1")
        self.recorder = Recorder("node-1", self.clock, folder, checkpoint, outbox, self.roster)

    def roster(self, room: str, minute_at: int) -> list[Holder]:
        return self.others.get((room, minute_at), [])

    def at(self, second: float, *, step: float = 0.0) -> None:
        """Move to a second of the minute; `step` is how far the wall clock jumps beside that."""
        passed = MINUTE + second - self.wall
        self.wall += passed + step
        self.monotonic += passed

    def count(self, viewers: int, room: str = ROOM) -> None:
        step = viewers - self.levels.get(room, 0)
        self.levels[room] = viewers
        self.recorder.change(CountChange(Counts(room, viewers, viewers, viewers, 1), step))

    async def tick_through(self, *seconds: float) -> None:
        for second in seconds:
            self.at(second + 0.01)
            await self.recorder.tick()

    async def parts(self) -> list[dict]:
        """Everything in the outbox, which is emptied."""
        parts = []
        while (report := await self.outbox.oldest()) is not None:
            parts += orjson.loads(report.body)["snapshots"]
            await self.outbox.done(report)
        return parts

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.path.glob("checkpoint-*"))


@asynccontextmanager
async def living(path, max_bytes: int = 64 * 1024 * 1024):
    with DataFolder(path) as folder:
        async with opened(path / "outbox.db", max_bytes, time.time) as outbox:
            yield Node(folder, outbox)


@pytest.fixture
async def node(tmp_path):
    async with living(tmp_path) as node:
        yield node


EVERY_SLOT = tuple(range(5, 61, 5))


async def test_the_minute_that_is_over_is_in_the_outbox_at_the_next_tick(node):
    """With its figures, its slots and its boot; nothing of it is left in the folder."""
    node.at(2)
    node.count(1)
    await node.tick_through(5, 10)
    node.at(12)
    node.count(2)
    await node.tick_through(*EVERY_SLOT[2:])
    [part] = await node.parts()
    assert (part["room"], part["node"], part["boot"], part["roster"]) == (ROOM, "node-1", node.clock.boot, ["node-1"])
    assert (part["minViewers"], part["peakViewers"], part["viewerCount"], part["sampleCount"]) == (1, 2, 2, 12)
    assert part["avgViewers"] == round((10 + 48 * 2) / 58, 2)
    assert len(node.files()) == 1  # that of the minute that has begun


async def test_a_part_names_the_nodes_that_held_the_room_in_its_minute(node):
    """As they are known when the minute is filed, closed or cut short; each room and minute has its own."""
    node.others = {(ROOM, MINUTE): [Holder("node-0"), Holder("node-2")], (ROOM, MINUTE + 60): [Holder("node-3")]}
    node.at(2)
    node.count(1)
    node.count(1, "auction:mine")
    await node.tick_through(*EVERY_SLOT)
    assert {p["room"]: p["roster"] for p in await node.parts()} == {
        ROOM: ["node-1", "node-0", "node-2"], "auction:mine": ["node-1"],
    }  # fmt: skip
    node.at(65)
    await node.recorder.flush()
    assert {p["room"]: p["roster"] for p in await node.parts()} == {
        ROOM: ["node-1", "node-3"], "auction:mine": ["node-1"],
    }  # fmt: skip


async def test_nothing_leaves_for_the_outbox_before_its_minute_is_over(node):
    """Closed slots wait in the checkpoint."""
    node.count(1)
    await node.tick_through(*EVERY_SLOT[:-1])
    assert node.outbox.waiting == 0
    assert len(node.files()) == 1


async def test_a_node_without_viewers_writes_no_checkpoint(node):
    """Neither before the first viewer nor in the minutes after the last one."""
    await node.tick_through(*EVERY_SLOT)
    assert node.files() == []
    node.at(62)
    node.count(1)
    await node.tick_through(65)
    assert len(node.files()) == 1
    node.count(0)
    await node.tick_through(*range(70, 241, 5))
    assert node.files() == []


async def test_a_clock_step_ends_the_boot_and_leaves_the_slot_in_progress_uncovered(node):
    """The old boot's part has the slots before it, the new one's those after it, under another epoch."""
    node.count(3)
    await node.tick_through(5, 10)
    epoch, boot = node.recorder.epoch, node.clock.boot
    node.at(15.01, step=600)
    await node.recorder.tick()
    [old] = await node.parts()
    assert (old["boot"], [slot[0] for slot in old["slots"]]) == (boot, [0, 1])
    assert node.recorder.epoch != epoch
    await node.tick_through(*range(620, 661, 5))
    [new] = await node.parts()
    assert new["boot"] == node.clock.boot == node.folder.last_boot()
    assert ([slot[0] for slot in new["slots"]], new["viewerCount"]) == ([4, 5, 6, 7, 8, 9, 10, 11], 3)


async def test_a_pause_is_a_gap_and_not_a_level(node):
    """A process that was stopped for a minute claims nothing about it, even if a count changes before it ticks."""
    node.count(3)
    await node.tick_through(5, 10)
    node.at(72)
    node.count(1)
    await node.tick_through(*range(75, 121, 5))
    old, new = await node.parts()
    assert [slot[0] for slot in old["slots"]] == [0, 1]
    assert (new["timestamp"], [slot[0] for slot in new["slots"]]) == ("2027-01-15T08:01:00Z", list(range(3, 12)))
    assert (new["peakViewers"], old["boot"] < new["boot"]) == (1, True)


async def test_a_shutdown_files_the_open_minute_as_it_is(node):
    """The slot in progress included; no checkpoint is left for the next start."""
    node.count(2)
    await node.tick_through(5)
    node.at(8)
    await node.recorder.flush()
    [part] = await node.parts()
    assert [(slot[0], slot[6]) for slot in part["slots"] if slot[6]] == [(0, 4.999), (1, 3.0)]
    assert node.files() == []


@pytest.mark.parametrize("torn", [False, True])
async def test_what_a_killed_process_had_closed_is_filed_by_the_next_one(tmp_path, torn):
    """As parts of the dead boot: the closed minute and the closed slots of the open one, torn last line or not."""
    async with living(tmp_path) as dead:
        dead.count(1)
        dead.count(5, "auction:quiet")
        await dead.tick_through(*EVERY_SLOT)
        assert len(await dead.parts()) == 2
        dead.at(62)
        dead.count(2)
        await dead.tick_through(65, 70)
        dead.at(71)
        dead.count(9)
        boot = dead.clock.boot
        if torn:
            [name] = dead.files()
            with (tmp_path / name).open("ab") as file:
                file.write(b'0badc0de {"slot":2,"roo')
    async with living(tmp_path) as next_one:
        await next_one.recorder.recover()
        parts = {part["room"]: part for part in await next_one.parts()}
        assert next_one.files() == []
    assert {part["boot"] for part in parts.values()} == {boot}
    assert {part["timestamp"] for part in parts.values()} == {"2027-01-15T08:01:00Z"}
    assert [slot[0] for slot in parts[ROOM]["slots"]] == [0, 1]
    assert (parts[ROOM]["minViewers"], parts[ROOM]["peakViewers"]) == (1, 2)
    assert (parts["auction:quiet"]["sampleCount"], parts["auction:quiet"]["avgViewers"]) == (2, 5.0)


async def test_a_minute_waits_while_the_outbox_refuses_and_is_filed_when_it_opens(node):
    """Its checkpoint stays as long; the next tick tries again."""
    node.count(1)
    await node.outbox._database.execute("PRAGMA query_only = ON")
    await node.tick_through(*EVERY_SLOT, 65)
    assert node.outbox.waiting == 0
    assert len(node.files()) == 2
    await node.outbox._database.execute("PRAGMA query_only = OFF")
    await node.tick_through(70)
    assert len(await node.parts()) == 1
    assert len(node.files()) == 1


async def test_what_waits_for_the_outbox_is_bounded_and_drops_are_counted(node, monkeypatch):
    """The oldest go first; what is left arrives."""
    monkeypatch.setattr(module, "MAX_UNFILED", 2)
    node.count(1)
    await node.outbox._database.execute("PRAGMA query_only = ON")
    await node.tick_through(*range(5, 241, 5))
    assert node.recorder.bodies_dropped == 2
    await node.outbox._database.execute("PRAGMA query_only = OFF")
    await node.tick_through(245)
    assert [part["timestamp"][14:19] for part in await node.parts()] == ["02:00", "03:00"]


async def test_the_files_of_dropped_minutes_stay_for_the_next_start(tmp_path, monkeypatch):
    """They are sent by it; those of minutes that arrived are gone."""
    monkeypatch.setattr(module, "MAX_UNFILED", 2)
    async with living(tmp_path) as node:
        node.count(1)
        await node.outbox._database.execute("PRAGMA query_only = ON")
        await node.tick_through(*range(5, 241, 5))
        await node.outbox._database.execute("PRAGMA query_only = OFF")
        await node.tick_through(245)
        await node.recorder.flush()
        assert len(node.files()) == 2
        await node.parts()
    async with living(tmp_path) as next_one:
        await next_one.recorder.recover()
        assert [part["timestamp"][14:19] for part in await next_one.parts()] == ["00:00", "01:00"]
        assert next_one.files() == []


async def test_the_files_of_dropped_minutes_are_bounded(node, monkeypatch):
    """In bytes; the oldest go first."""
    monkeypatch.setattr(module, "MAX_UNFILED", 1)
    monkeypatch.setattr(module, "MAX_LEFT_BYTES", 0)
    node.count(1)
    await node.outbox._database.execute("PRAGMA query_only = ON")
    await node.tick_through(*range(5, 246, 5))
    assert len(node.files()) == 2


async def test_a_boot_that_cannot_be_kept_is_tried_again(node):
    """Nothing is lost and nothing is reported meanwhile; the program says that it is not ready."""
    node.count(3)
    await node.tick_through(5, 10)
    (node.folder.path / "boot.new").mkdir()
    node.at(15.01, step=600)
    await node.recorder.tick()
    await node.tick_through(*range(620, 666, 5))
    assert node.recorder.trouble == "data_dir: Is a directory"
    assert node.outbox.waiting == 0
    (node.folder.path / "boot.new").rmdir()
    await node.tick_through(670)
    assert node.recorder.trouble is None
    old, new = sorted(await node.parts(), key=lambda part: part["boot"])
    assert ([slot[0] for slot in old["slots"]], new["boot"]) == ([0, 1], node.folder.last_boot())


async def test_a_busy_minute_goes_into_bodies_of_a_thousand_and_lets_the_loop_breathe(node):
    """Two thousand five hundred rooms are three reports; other work runs in between."""
    for number in range(2_500):
        node.count(1, f"auction:{number}")
    await node.tick_through(*EVERY_SLOT[:-1])
    breaths = 0

    async def breathe():
        nonlocal breaths
        while True:
            breaths += 1
            await asyncio.sleep(0)

    breathing = asyncio.create_task(breathe())
    await node.tick_through(60)
    breathing.cancel()
    assert breaths > 20
    sizes = []
    while (report := await node.outbox.oldest()) is not None:
        sizes.append(len(orjson.loads(report.body)["snapshots"]))
        await node.outbox.done(report)
    assert sizes == [1_000, 1_000, 500]


async def test_a_tick_never_blocks_the_loop(node):
    """Files and the database are written elsewhere, in an ordinary minute, at a step of the clock and at the end."""
    with blockbuster_ctx("presence_server"):
        node.count(1)
        await node.tick_through(*EVERY_SLOT)
        node.at(62, step=-300)
        await node.recorder.tick()
        await node.recorder.flush()
    assert len(await node.parts()) == 1


async def test_a_change_of_visibility_alone_is_no_change_of_history(node):
    """People with a visible tab are not recorded."""
    node.recorder.change(CountChange(Counts(ROOM, 1, 1, 0, 1), 0))
    await node.tick_through(*EVERY_SLOT)
    assert await node.parts() == []


async def test_the_slot_in_which_a_killed_process_may_have_died_stays_uncovered(tmp_path):
    """The next process begins with its next slot; after an orderly end it begins at once."""
    async with living(tmp_path) as dead:
        dead.count(1)
        await dead.tick_through(5)
        dead.at(7)
    async with living(tmp_path) as next_one:
        next_one.at(8)
        await next_one.recorder.recover()
        await next_one.recorder.tick()
        await next_one.parts()
        next_one.count(4)
        await next_one.tick_through(10, 15)
        next_one.at(17)
        await next_one.recorder.flush()
        [part] = await next_one.parts()
    assert [slot[0] for slot in part["slots"] if slot[6]] == [2, 3]
    async with living(tmp_path) as third:
        third.at(9)
        await third.recorder.tick()
        third.at(18)
        await third.recorder.recover()
        third.count(2)
        third.at(19)
        await third.recorder.flush()
        [part] = await third.parts()
    assert [(slot[0], slot[6]) for slot in part["slots"] if slot[6]] == [(3, 1.0)]


async def test_boots_that_cannot_be_kept_are_bounded_and_their_files_stay(node, monkeypatch):
    """A clock that steps again and again while the disk is broken: the oldest are dropped and counted."""
    monkeypatch.setattr(module, "MAX_UNFILED", 3)
    node.count(1)
    await node.tick_through(5)
    (node.folder.path / "boot.new").mkdir()
    for number in range(1, 7):
        node.at(5 + 10 * number, step=600 * number)
        await node.recorder.tick()
        node.at(5 + 10 * number + 5.01)
        await node.recorder.tick()
    assert node.recorder.trouble is not None
    assert len(node.recorder._ended) <= 3
    assert node.recorder.bodies_dropped >= 1
    assert node.outbox.waiting == 0
