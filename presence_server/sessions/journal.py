"""Open intervals in a file, so that a kill of this process ends them seconds early at most. Not fsynced.

Lines as in `checkpoint`: an interval as it is reported, or only the time, as a sign of life. An interval is written
before the outbox gets it: what the outbox knows to be closed is never taken for killed.
"""

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import structlog

from backend_api.contract.sessions import IntervalReport
from presence_server.history.checkpoint import Record, decode, encode

log = structlog.get_logger(__name__)

_COMPACT_ABOVE = 2_000


class Left(NamedTuple):
    """What a dead boot left: the intervals that were open, and when it was last known to live."""

    open: list[IntervalReport]
    last_at: float


class Journal:
    """One file in the program's folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[str, Record] = {}
        self._lines = 0
        # One thread: what is written while the file is being replaced comes after it, whoever was cancelled meanwhile.
        self._writer = ThreadPoolExecutor(1)

    async def write(self, now: float, reports: Sequence[IntervalReport] = ()) -> None:
        """Add reports and the time. A failure is logged: then a kill costs more than seconds, nothing else."""
        records = [report.model_dump(mode="json", by_alias=True, exclude_none=True) for report in reports]
        for record in records:
            if "closedAt" in record:
                self._open.pop(record["intervalId"], None)
            else:
                self._open[record["intervalId"]] = record
        lines, in_thread = [*records, {"at": now}], asyncio.get_running_loop().run_in_executor
        try:
            if self._lines > _COMPACT_ABOVE + 4 * len(self._open):
                self._lines = len(self._open)
                await in_thread(self._writer, self._rewrite, [*self._open.values(), {"at": now}])
            else:
                self._lines += len(lines)
                await in_thread(self._writer, self._append, lines)
        except OSError as error:
            # Some of it is missing or torn: the next write makes the file anew.
            self._lines = sys.maxsize
            log.warning("journal_not_written", reason=str(error))

    def left(self) -> Left:
        """What the last life of this folder left. Blocks; for the start of the program."""
        try:
            records = decode(self._path.read_bytes())
        except FileNotFoundError:
            records = []
        still_open: dict[str, Record] = {}
        for record in (record for record in records if "intervalId" in record):
            if "closedAt" in record:
                still_open.pop(record["intervalId"], None)
            else:
                still_open[record["intervalId"]] = record
        last_at = max((record["at"] for record in records if "at" in record), default=0.0)
        return Left([IntervalReport.model_validate(record) for record in still_open.values()], last_at)

    def clear(self) -> None:
        """Begin anew; what was left has been filed."""
        self._path.unlink(missing_ok=True)

    def _append(self, records: Sequence[Record]) -> None:
        with self._path.open("ab") as file:
            file.write(b"".join(map(encode, records)))

    def _rewrite(self, records: Sequence[Record]) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_bytes(b"".join(map(encode, records)))
        draft.replace(self._path)
