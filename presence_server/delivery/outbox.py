"""The durable queue of reports to the backend, in one SQLite file. Sends nothing and judges nothing: see `courier`.

A report is on the disk when `add` returns, keeps its id and its bytes over every retry, and is forgotten only when
`done` is told so. What the backend will never take is set aside, where an operator can look at it.
"""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

import aiosqlite

from presence_server.delivery.reports import SetAside
from presence_server.errors import OutboxRefused

KEPT_ASIDE = 10_000
"""How many set-aside items are kept; the oldest go first."""

ASIDE_SHARE = 0.1
"""How much of the file set-aside items may take, in bytes of theirs."""

_PAGE_BYTES = 4096

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reports (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS set_aside (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    report_id TEXT NOT NULL,
    path TEXT NOT NULL,
    item BLOB NOT NULL,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL
);
"""

_DROP_ASIDE = """
DELETE FROM set_aside WHERE place IN (
    SELECT place FROM (
        SELECT place, row_number() OVER newest AS number, sum(length(item) + length(reason)) OVER newest AS bytes
        FROM set_aside WINDOW newest AS (ORDER BY place DESC)
    ) WHERE number > ? OR bytes > ?
)
"""


class Report(NamedTuple):
    """A message to the backend; `place` orders the queue."""

    place: int
    id: str
    path: str
    body: bytes
    created_at: float


class Outbox:
    """Open it with `opened`. Every call that writes is one transaction, on the disk when it returns."""

    def __init__(self, database: aiosqlite.Connection, waiting: int, max_bytes: int, now: Callable[[], float]) -> None:
        self._database = database
        self._max_aside_bytes = int(max_bytes * ASIDE_SHARE)
        self.waiting = waiting
        """How many reports wait to be sent."""
        self._now = now
        self._writing = asyncio.Lock()
        self.arrived = asyncio.Event()
        """Set when there may be something to send; whoever waits for it clears it."""
        self.aside_dropped = 0
        """How many set-aside items made room for newer ones."""
        self.trouble: str | None = None
        """Why the last write failed; None as long as all is well."""

    async def add(self, path: str, bodies: Sequence[bytes]) -> None:
        """Keep one report per body, all or none. Raises OutboxRefused."""
        rows = [(secrets.token_hex(16), path, body, self._now()) for body in bodies]
        async with self._transaction() as database:
            await database.executemany("INSERT INTO reports (id, path, body, created_at) VALUES (?, ?, ?, ?)", rows)
        self.waiting += len(rows)
        self.arrived.set()

    async def oldest(self) -> Report | None:
        """The report to send next."""
        try:
            async with self._database.execute(
                "SELECT place, id, path, body, created_at FROM reports ORDER BY place LIMIT 1"
            ) as rows:
                row = await rows.fetchone()
        except sqlite3.Error as error:
            raise self._refused(error) from None
        return None if row is None else Report(*row)

    async def oldest_at(self) -> float | None:
        """When the oldest report was added; None when nothing waits. Raises OutboxRefused."""
        try:
            async with self._database.execute("SELECT min(created_at) FROM reports") as rows:
                row = await rows.fetchone()
        except sqlite3.Error as error:
            raise self._refused(error) from None
        return None if row is None else row[0]

    async def done(self, report: Report, invalid: Sequence[SetAside] = ()) -> None:
        """Forget a report, except for items that the backend refused. Raises OutboxRefused: then all of it stays."""
        rows = [(report.id, report.path, item, reason, self._now()) for item, reason in invalid]
        dropped = 0
        async with self._transaction() as database:
            # In this order: in a full file the new rows live on the pages that the old one gives back.
            await database.execute("DELETE FROM reports WHERE place = ?", (report.place,))
            if rows:
                await database.executemany(
                    "INSERT INTO set_aside (report_id, path, item, reason, created_at) VALUES (?, ?, ?, ?, ?)", rows
                )
                async with database.execute(_DROP_ASIDE, (KEPT_ASIDE, self._max_aside_bytes)) as cursor:
                    dropped = cursor.rowcount
        self.waiting -= 1
        self.aside_dropped += dropped

    async def put_last(self, report: Report) -> None:
        """Let the others go first. Raises OutboxRefused."""
        async with self._transaction() as database:
            await database.execute(
                "UPDATE reports SET place = (SELECT max(place) + 1 FROM reports) WHERE place = ?", (report.place,)
            )

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        async with self._writing:
            try:
                await self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                await self._database.commit()
            except sqlite3.Error as error:
                await self._database.rollback()
                raise self._refused(error) from None
            except BaseException:
                # Cancelled: the next transaction has to begin on clean ground.
                await self._database.rollback()
                raise
            self.trouble = None

    def _refused(self, error: sqlite3.Error) -> OutboxRefused:
        self.trouble = f"outbox: {error}"
        return OutboxRefused(self.trouble)


@asynccontextmanager
async def opened(path: Path, max_bytes: int, now: Callable[[], float]) -> AsyncIterator[Outbox]:
    """The outbox in this file, at most `max_bytes` large: beyond that `add` refuses. Raises OutboxRefused."""
    try:
        database = await aiosqlite.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise OutboxRefused(f"{path}: {error}") from None
    try:
        outbox = Outbox(database, await _prepare(database, max_bytes), max_bytes, now)
        outbox.arrived.set()
    except sqlite3.Error as error:
        await database.close()
        raise OutboxRefused(f"{path}: {error}") from None
    try:
        yield outbox
    finally:
        await database.close()


def waiting_in(folder: Path) -> int:
    """How many reports wait in the folder of a process that does not run; 0 where there is none. Blocks."""
    return sum(_waiting_in(folder / name) for name in ("outbox.db", "sessions.db"))


def _waiting_in(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path)) as database:
            return int(database.execute("SELECT count(*) FROM reports").fetchone()[0])
    except sqlite3.Error:
        return 0


async def _prepare(database: aiosqlite.Connection, max_bytes: int) -> int:
    """Set the file up; how many reports it holds."""
    await database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    await database.execute("PRAGMA journal_mode = WAL")
    await database.execute("PRAGMA synchronous = FULL")
    # SQLite's own limit: what is full is refused by the same error as a full disk, and freed pages are used again.
    await database.execute(f"PRAGMA max_page_count = {max_bytes // _PAGE_BYTES}")
    await database.executescript(_SCHEMA)
    async with database.execute("SELECT count(*) FROM reports") as rows:
        row = await rows.fetchone()
    return 0 if row is None else int(row[0])
