"""The durable queue: order, sameness, refusal, kills."""

import asyncio
import os
import random
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from presence_server.delivery import outbox as module
from presence_server.delivery.outbox import opened
from presence_server.delivery.reports import SetAside
from presence_server.errors import OutboxRefused

PATH = "/internal/v1/snapshots"
MEBIBYTE = 1024 * 1024


def _open(tmp_path: Path, max_bytes: int = 16 * MEBIBYTE):
    return opened(tmp_path / "outbox.db", max_bytes, time.time)


async def _take(outbox) -> list[bytes]:
    bodies = []
    while (report := await outbox.oldest()) is not None:
        bodies.append(report.body)
        await outbox.done(report)
    return bodies


def _aside(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database:
        return database.execute("SELECT item, reason FROM set_aside ORDER BY place").fetchall()


async def test_reports_come_out_in_the_order_they_went_in_and_are_forgotten_when_done(tmp_path):
    """Oldest first; nothing waits in the end."""
    async with _open(tmp_path) as outbox:
        await outbox.add(PATH, [b"1", b"2"])
        await outbox.add(PATH, [b"3"])
        assert outbox.waiting == 3
        assert await _take(outbox) == [b"1", b"2", b"3"]
        assert (outbox.waiting, await outbox.oldest()) == (0, None)


async def test_a_report_keeps_its_id_and_its_bytes_over_a_restart(tmp_path):
    """A retry of a later process is the same request."""
    async with _open(tmp_path) as outbox:
        await outbox.add(PATH, [b"\x00 any bytes \xff", b"2"])
        first = await outbox.oldest()
    async with _open(tmp_path) as outbox:
        assert await outbox.oldest() == first
        assert outbox.waiting == 2
        assert outbox.arrived.is_set()


async def test_a_report_that_is_put_last_lets_the_others_go_first(tmp_path):
    """Also those that come later than it, not those after that."""
    async with _open(tmp_path) as outbox:
        await outbox.add(PATH, [b"bad", b"2"])
        await outbox.put_last(await outbox.oldest())
        await outbox.add(PATH, [b"3"])
        assert await _take(outbox) == [b"2", b"bad", b"3"]


async def test_refused_items_are_set_aside_with_the_reason_and_the_newest_are_kept(tmp_path, monkeypatch):
    """The report itself is forgotten."""
    monkeypatch.setattr(module, "KEPT_ASIDE", 3)
    async with _open(tmp_path) as outbox:
        for number in range(5):
            await outbox.add(PATH, [b"report"])
            await outbox.done(await outbox.oldest(), [SetAside(b"item %d" % number, "bad room")])
        assert await outbox.oldest() is None
    assert _aside(tmp_path) == [(b"item %d" % number, "bad room") for number in (2, 3, 4)]


async def test_set_aside_items_are_bounded_in_bytes_and_leave_the_queue_its_room(tmp_path):
    """A week of refused bodies: the newest are kept, the rest are counted, and reports still find room."""
    async with _open(tmp_path, 2 * MEBIBYTE) as outbox:
        for number in range(60):
            await outbox.add(PATH, [b"x" * 50_000])
            await outbox.done(await outbox.oldest(), [SetAside(b"%d" % number + b"x" * 50_000, "status 404")])
        kept = _aside(tmp_path)
        assert [item[:2] for item, _ in kept] == [b"56", b"57", b"58", b"59"]
        assert outbox.aside_dropped == 56
        await outbox.add(PATH, [b"y" * 50_000] * 20)
        assert outbox.trouble is None


async def test_an_item_larger_than_all_that_may_be_kept_is_dropped(tmp_path):
    """It must not stay in the queue for ever."""
    async with _open(tmp_path, MEBIBYTE) as outbox:
        await outbox.add(PATH, [b"x" * 300_000])
        await outbox.done(await outbox.oldest(), [SetAside(b"x" * 300_000, "status 413")])
        assert (await outbox.oldest(), _aside(tmp_path), outbox.aside_dropped) == (None, [], 1)


async def test_a_full_outbox_refuses_loudly_and_opens_again(tmp_path):
    """All or nothing, what is kept stays, and there is room again when something was sent."""
    async with _open(tmp_path, MEBIBYTE) as outbox:
        with pytest.raises(OutboxRefused, match="full"):
            for _ in range(30):
                await outbox.add(PATH, [b"x" * 50_000])
        kept = outbox.waiting
        assert outbox.trouble is not None
        with pytest.raises(OutboxRefused):
            await outbox.add(PATH, [b"small", b"y" * 400_000])
        assert outbox.waiting == kept
        for _ in range(5):
            await outbox.done(await outbox.oldest(), [SetAside(b"x" * 50_000, "set aside fits where the report was")])
            await outbox.done(await outbox.oldest())
        await outbox.add(PATH, [b"last"])
        assert outbox.trouble is None
        assert (await _take(outbox))[-1] == b"last"


async def test_an_outbox_that_cannot_be_written_says_so_until_it_can(tmp_path):
    """Nothing of a refused report is kept."""
    async with _open(tmp_path) as outbox:
        await outbox.add(PATH, [b"1"])
        await outbox._database.execute("PRAGMA query_only = ON")
        with pytest.raises(OutboxRefused, match="readonly"):
            await outbox.add(PATH, [b"2"])
        with pytest.raises(OutboxRefused):
            await outbox.done(await outbox.oldest())
        assert "readonly" in outbox.trouble
        await outbox._database.execute("PRAGMA query_only = OFF")
        await outbox.add(PATH, [b"3"])
        assert outbox.trouble is None
        assert await _take(outbox) == [b"1", b"3"]


async def test_a_file_that_is_no_outbox_is_refused(tmp_path):
    """In words, before anything is served."""
    (tmp_path / "outbox.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(OutboxRefused, match="not a database"):
        async with _open(tmp_path):
            pass


async def test_a_cancelled_writer_leaves_clean_ground(tmp_path):
    """Whenever the cancellation comes, the next one can write, and the queue knows its length."""
    async with _open(tmp_path) as outbox:
        for delay in range(30):
            writer = asyncio.create_task(outbox.add(PATH, [b"cancelled"]))
            await asyncio.sleep(delay / 10_000)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await outbox.add(PATH, [b"whole"])
        bodies = await _take(outbox)
    assert bodies.count(b"whole") == 30


async def test_nothing_that_was_promised_is_lost_by_kill_9(tmp_path):
    """Twelve kills at random moments of one writer after another; a transaction is there whole or not at all."""
    path, chance, promised = tmp_path / "outbox.db", random.Random(1), []
    writers = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.presence_server.delivery.outbox_writer", str(path),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    for kill in range(12):
        writers.stdin.write(b"%d\n" % (kill * 1_000_000))
        pid = int(await writers.stdout.readline())
        line = await writers.stdout.readline()
        await asyncio.sleep(chance.random() * 0.05)
        os.kill(pid, signal.SIGKILL)
        while line != b"over\n":
            promised.append(int(line))
            line = await writers.stdout.readline()
    writers.stdin.close()
    await writers.wait()
    async with _open(tmp_path, 64 * MEBIBYTE) as outbox:
        kept = await _take(outbox)
    assert len(promised) > 12
    assert {b"%d" % number for number in promised} <= set(kept)
    assert len(set(kept)) == len(kept)
    assert sum(body.endswith(b"again") for body in kept) * 2 == len(kept)
