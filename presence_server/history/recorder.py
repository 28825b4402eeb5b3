"""Feeds the sampler, and every five seconds takes what it has closed to the checkpoint and to the outbox.

The tick is aligned to the wall clock. Nothing leaves memory before the outbox has it on the disk; while the outbox
refuses, a bounded number of bodies waits here and their checkpoint files stay.
"""

import asyncio
from collections import defaultdict, deque
from pathlib import Path
from typing import NamedTuple

import structlog

from backend_api.contract.snapshots import MAX_PARTS, SLOT_SECONDS, SLOTS_PER_MINUTE, Part
from presence_server.clock import Clock
from presence_server.delivery.outbox import Outbox
from presence_server.delivery.reports import SNAPSHOTS_PATH, snapshot_bodies
from presence_server.errors import OutboxRefused
from presence_server.folder import DataFolder
from presence_server.history.checkpoint import Checkpoint, closed_record, levels_record, rooms_record
from presence_server.history.sampler import Roster, Sampler, carried
from presence_server.history.windows import MINUTE_SECONDS, MinuteWindow, minute_of, slot_of
from presence_server.rooms import CountChange

log = structlog.get_logger(__name__)

MAX_UNFILED = 32
"""Bodies of up to a thousand parts that wait for an outbox that refuses; beyond that the oldest is dropped, loudly."""

MAX_LEFT_BYTES = 64 * 1024 * 1024
"""Checkpoint files whose bodies were dropped stay for the next start, so many bytes of them, the newest."""

_SLICE = 100
_TICK_LAG_SECONDS = 0.01


class _Filing(NamedTuple):
    """Bodies for the outbox, and the files that are not needed once it has them."""

    bodies: list[bytes]
    files: list[Path]


class _Ended(NamedTuple):
    """The last parts of a boot, and the connections of each room when the next one began."""

    boot: int
    parts: list[Part]
    levels: dict[str, int]


class Recorder:
    """The history of this node's rooms, from the change of a count to the outbox."""

    def __init__(
        self, node: str, clock: Clock, folder: DataFolder, checkpoint: Checkpoint, outbox: Outbox, roster: Roster
    ) -> None:
        self._node = node
        self._clock = clock
        self._folder = folder
        self._checkpoint = checkpoint
        self._outbox = outbox
        self._roster = roster
        self._sampler = Sampler(node, clock.boot, clock.now())
        self._kept_boot = clock.boot
        self._ended: list[_Ended] = []
        self._filings: deque[_Filing] = deque()
        self._one_at_a_time = asyncio.Lock()
        self._left: list[Path] = []
        self.bodies_dropped = 0
        self.trouble: str | None = None
        """Why a new boot could not be kept; None as long as all is well."""

    @property
    def epoch(self) -> str:
        """What the counts of one node and boot have in common."""
        return f"{self._node}:{self._clock.boot}"

    def change(self, change: CountChange) -> None:
        """A count changed, now."""
        if change.step:
            if self._clock.paused():
                self._look_at_clock()
            counts = change.counts
            self._sampler.change(counts.room, counts.viewer_count, change.step, self._clock.now())

    async def run(self) -> None:
        """Tick for ever, just after each slot's end. Cancelled, it leaves a tick that has begun to its end."""
        while True:
            now = self._clock.now()
            await asyncio.sleep((slot_of(now) + 1) * SLOT_SECONDS - now + _TICK_LAG_SECONDS)
            await asyncio.shield(self.tick())

    async def tick(self) -> None:
        """Take everything that is closed by now to the checkpoint and the outbox."""
        async with self._one_at_a_time:
            self._look_at_clock()
            await self._queue_ended()
            sampler, now = self._sampler, self._clock.now()
            for slot, windows in sampler.closed_slots(now):
                if sampler.holds:
                    await self._note_slot(sampler, slot, windows)
            sampler.turn(now)
            await self._queue_closed(sampler)
            await self._file()

    async def recover(self) -> None:
        """File what dead boots left in the folder, as parts of theirs; before anybody is counted.

        The slot in progress may be the one in which the last of them died: what it had of it is unknown.
        """
        leftovers = await asyncio.to_thread(lambda: list(self._checkpoint.leftovers()))
        if leftovers:
            self._sampler = Sampler(self._node, self._clock.boot, _next_slot_at(self._clock.now()))
        for path, parts in leftovers:
            log.info("leftover_found", file=path.name, parts=len(parts))
            self._filings.append(_Filing(snapshot_bodies(parts), [path]))
        await self._file()

    async def flush(self) -> None:
        """File the open windows as partial parts; for the end of the program."""
        async with self._one_at_a_time:
            self._look_at_clock()
            self._ended.append(_Ended(self._sampler.boot, self._sampler.end(self._clock.now(), self._roster), {}))
            await self._queue_ended()
            await self._file()

    def _look_at_clock(self) -> None:
        """Start a new boot if the clock stepped or nobody was looking: the slot in progress stays uncovered."""
        if not self._clock.check():
            return
        log.warning("new_boot", reason="the clock stepped, or the process was paused", boot=self._clock.boot)
        old, levels = self._sampler, self._sampler.levels()
        self._ended.append(_Ended(old.boot, old.abandon(self._roster), levels))
        self._sampler = Sampler(self._node, self._clock.boot, _next_slot_at(self._clock.now()), levels)

    async def _queue_ended(self) -> None:
        """Queue the parts of boots that ended, and note with what the present one began.

        Where the present one cannot be kept in the folder, they wait for the next tick, and all reports with them.
        """
        sampler, ended = self._sampler, list(self._ended)
        if not ended or not await self._keep(sampler.boot):
            return
        del self._ended[: len(ended)]
        for boot, parts, _levels in ended:
            self._filings.append(_Filing(snapshot_bodies(parts), await self._checkpoint.files(boot)))
        if ended[-1].levels:
            record = levels_record(sampler.held_from, ended[-1].levels)
            await self._checkpoint.append(sampler.boot, minute_of(sampler.held_from), [record])

    async def _keep(self, boot: int) -> bool:
        if boot != self._kept_boot:
            try:
                await asyncio.to_thread(self._folder.keep_boot, boot)
            except OSError as error:
                self.trouble = f"data_dir: {error.strerror}"
                log.error("boot_not_kept", reason=str(error))
                return False
        self._kept_boot, self.trouble = boot, None
        return True

    async def _queue_closed(self, sampler: Sampler) -> None:
        """Queue the parts of minutes that are over, and note with what the next ones began."""
        last_minute_at = None
        while windows := sampler.take_closed(_SLICE):
            parts: list[Part] = []
            levels: dict[int, dict[str, int]] = defaultdict(dict)
            while windows and len(parts) < MAX_PARTS:
                for window in windows:
                    others = self._roster(window.room, window.minute_at)
                    parts += window.parts(sampler.node, sampler.boot, others=others)
                    levels[window.minute_at][window.room] = window.level
                last_minute_at = windows[-1].minute_at
                # A busy node has tens of thousands of these: other work goes on in between.
                await asyncio.sleep(0)
                windows = sampler.take_closed(min(_SLICE, MAX_PARTS - len(parts)))
            self._filings.append(_Filing(snapshot_bodies(parts), []))
            await self._note_levels(sampler.boot, levels)
        if last_minute_at is not None:
            self._filings.append(_Filing([], await self._checkpoint.files(sampler.boot, last_minute_at)))

    async def _note_slot(self, sampler: Sampler, slot: int, windows: list[MinuteWindow]) -> None:
        boot, minute_at = sampler.boot, minute_of(slot * SLOT_SECONDS)
        for start in range(0, len(windows), MAX_PARTS):
            record = rooms_record(carried(slot, windows[start : start + MAX_PARTS]))
            await self._checkpoint.append(boot, minute_at, [record])
        closed = closed_record(slot % SLOTS_PER_MINUTE, sampler.here_from(minute_at))
        await self._checkpoint.append(boot, minute_at, [closed])

    async def _note_levels(self, boot: int, levels: dict[int, dict[str, int]]) -> None:
        for minute_at, rooms in levels.items():
            held = {room: level for room, level in rooms.items() if level}
            if held:
                next_minute_at = minute_at + MINUTE_SECONDS
                await self._checkpoint.append(boot, next_minute_at, [levels_record(next_minute_at, held)])

    async def _file(self) -> None:
        """Put what is queued into the outbox, oldest first, and remove the files it makes superfluous."""
        if self.trouble is not None:
            await self._drop_excess_ended()
            await self._drop_excess()
            return
        while self._filings:
            filing = self._filings[0]
            try:
                await self._outbox.add(SNAPSHOTS_PATH, filing.bodies)
            except OutboxRefused as error:
                log.error("outbox_refused", reason=error.reason, waiting=len(self._filings))
                await self._drop_excess()
                return
            self._filings.popleft()
            await self._checkpoint.remove([path for path in filing.files if path not in self._left])

    async def _drop_excess_ended(self) -> None:
        """Forget boots that ended while none could be kept; the last one's levels are those of the present one."""
        while len(self._ended) > 1 and sum(1 + len(ended.parts) // MAX_PARTS for ended in self._ended) > MAX_UNFILED:
            boot, parts, _levels = self._ended.pop(0)
            await self._drop(_Filing(snapshot_bodies(parts), await self._checkpoint.files(boot)))

    async def _drop_excess(self) -> None:
        """Forget the oldest minutes; their files stay for the next start, which may have an outbox that takes them."""
        while sum(len(filing.bodies) for filing in self._filings) > MAX_UNFILED:
            filing = self._filings.popleft()
            owner = next((one for one in (filing, *self._filings) if one.files), filing)
            await self._drop(filing._replace(files=owner.files))

    async def _drop(self, filing: _Filing) -> None:
        self.bodies_dropped += len(filing.bodies)
        log.error("bodies_dropped", bodies=len(filing.bodies))
        self._left += [path for path in filing.files if path not in self._left]
        self._left = await self._checkpoint.trim(self._left, MAX_LEFT_BYTES)


def _next_slot_at(now: float) -> float:
    return (slot_of(now) + 1) * float(SLOT_SECONDS)
