"""Closed slots in a file, so that a kill of this process loses seconds (DESIGN 6). A power cut may lose it: no fsync.

One file per boot and minute, one record a line: eight hex digits of CRC-32, a space, JSON. The first record says whose
it is; `levels` are rooms that were held when the minute (or the boot) began, `rooms` what rooms came to that changed in
the slot whose `closed` follows. A room that a slot does not mention kept its level. A line that is torn or altered ends
what can be believed.
"""

import asyncio
import errno
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import structlog

from backend_api.contract.snapshots import SLOT_SECONDS, SLOTS_PER_MINUTE, Part, Slot
from presence_server.history.windows import Carried, MinuteWindow

log = structlog.get_logger(__name__)

MAX_PENDING = 512
"""Records of up to a thousand rooms that wait for a disk that fails; beyond that the oldest file is given up."""

Record = dict[str, Any]


class Leftover(NamedTuple):
    """What one file of a dead boot still told."""

    path: Path
    parts: list[Part]


class _Pending(NamedTuple):
    """What has to be added to a file; the head where it is the file's first."""

    head: Record
    records: list[Record]


class Checkpoint:
    """The files of this node's boots in one folder."""

    def __init__(self, folder: Path, node: str) -> None:
        self._folder = folder
        self._node = node
        self._pending: dict[Path, _Pending] = {}
        """What files still lack."""
        self._given_up: Path | None = None
        """The newest file that lacked too much; nothing goes into it or into an older one any more."""

    async def append(self, boot: int, minute_at: int, records: Sequence[Record]) -> None:
        """Add records to a minute's file. What cannot be written, which is logged, is tried again with what follows.

        Never without it: what follows would be read as if what is missing had not happened.
        """
        path = self._path(boot, minute_at)
        if self._given_up is not None and path <= self._given_up:
            return
        head = {"node": self._node, "boot": boot, "minute": minute_at}
        self._pending.setdefault(path, _Pending(head, [])).records.extend(records)
        for waiting in sorted(self._pending):
            await self._write(waiting)
        while sum(len(pending.records) for pending in self._pending.values()) > MAX_PENDING:
            self._given_up = min(self._pending)
            del self._pending[self._given_up]

    async def files(self, boot: int, through_minute_at: int | None = None) -> list[Path]:
        """The files of a boot, of all its minutes or up to one of them."""
        last = self._path(boot, 10**12 - 1 if through_minute_at is None else through_minute_at)
        found = await asyncio.to_thread(lambda: set(self._folder.glob(f"checkpoint-{boot:016d}-*.log")))
        return sorted(path for path in found | self._pending.keys() if self._path(boot, 0) <= path <= last)

    async def remove(self, files: Sequence[Path]) -> None:
        """Remove files: the outbox has what was in them. One that stays is sent again, and known by then."""
        for path in files:
            self._pending.pop(path, None)
            try:
                await asyncio.to_thread(path.unlink, missing_ok=True)
            except OSError as error:
                log.warning("checkpoint_not_removed", reason=str(error))

    async def _write(self, path: Path) -> None:
        try:
            await asyncio.to_thread(_append, path, self._pending[path])
        except OSError as error:
            log.warning("checkpoint_not_written", file=path.name, reason=str(error))
        else:
            del self._pending[path]

    async def trim(self, files: Sequence[Path], max_bytes: int) -> list[Path]:
        """Remove the first of these files until the others, which are given back, have at most `max_bytes`."""
        sizes = await asyncio.to_thread(lambda: [path.stat().st_size if path.exists() else 0 for path in files])
        excess = sum(sum(sizes[number:]) > max_bytes for number in range(len(files)))
        await self.remove(files[:excess])
        return list(files[excess:])

    def leftovers(self) -> Iterator[Leftover]:
        """What dead boots left in the folder, oldest first. Blocks; for the start of the program."""
        for path in sorted(self._folder.glob("checkpoint-*.log")):
            try:
                content = path.read_bytes()
            except OSError as error:
                log.warning("leftover_not_read", file=path.name, reason=str(error))
            else:
                yield Leftover(path, replay(decode(content)))

    def _path(self, boot: int, minute_at: int) -> Path:
        return self._folder / f"checkpoint-{boot:016d}-{minute_at:012d}.log"


def _append(path: Path, pending: _Pending) -> None:
    # Without a buffer: closing a file would try again to write what is left in it.
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        head = [pending.head] if size == 0 else []
        content = b"".join(encode(record) for record in [*head, *pending.records])
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            # Half a line in the middle would end what can be believed; the disk may only have been full.
            os.truncate(path, size)
            raise


def levels_record(from_at: float, levels: Mapping[str, int]) -> Record:
    """The rooms that were held at `from_at`, with their connections."""
    return {"from": from_at, "levels": levels}


def rooms_record(rooms: Mapping[str, Carried]) -> Record:
    """Rooms that changed in the slot that is closed next."""
    return {"rooms": {room: [*state.slot[1:], state.joins, state.leaves] for room, state in rooms.items()}}


def closed_record(number: int, here_from: int) -> Record:
    """The slot of this number in its minute is over, and everything that changed in it is written.

    `here_from` is the first slot of the minute in which the boot counted.
    """
    return {"closed": number, "since": here_from}


def encode(record: Record) -> bytes:
    text = orjson.dumps(record)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(content: bytes) -> list[Record]:
    """The records up to the first line that is torn or altered."""
    records = []
    for line in content.splitlines(keepends=True):
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
            break
        records.append(orjson.loads(text))
    return records


def replay(records: Sequence[Record]) -> list[Part]:
    """The parts of a file: of every room what is known of its closed slots, as a part of the boot that wrote it."""
    if not records:
        return []
    owner, minute_at = records[0], records[0]["minute"]
    windows = {
        room: MinuteWindow(room, minute_at, level, record["from"])
        for record in records
        if "levels" in record
        for room, level in record["levels"].items()
    }
    through = _first_slot(records, minute_at)
    changed: dict[str, Any] = {}
    for record in records:
        changed |= record.get("rooms", {})
        if "closed" in record:
            if through is not None and record["closed"] != through:
                break
            _replay_slot(record, changed, minute_at, windows)
            through, changed = record["closed"] + 1, {}
    before = min(through or 0, SLOTS_PER_MINUTE)
    return [part for window in windows.values() for part in window.parts(owner["node"], owner["boot"], before)]


def _first_slot(records: Sequence[Record], minute_at: int) -> int | None:
    """The slot from which levels are known: it has to be closed first. None where nothing was held before."""
    known = [record["from"] for record in records if "from" in record]
    return int((min(known) - minute_at) // SLOT_SECONDS) if known else None


def _replay_slot(closed: Record, changed: Mapping[str, Any], minute_at: int, windows: dict[str, MinuteWindow]) -> None:
    number = closed["closed"]
    for room, (*figures, joins, leaves) in changed.items():
        window = windows.setdefault(room, MinuteWindow(room, minute_at, 0, minute_at, closed["since"]))
        window.restore(Carried(Slot(number, *figures), joins, leaves))
    for window in windows.values():
        window.advance(minute_at + (number + 1) * SLOT_SECONDS)
