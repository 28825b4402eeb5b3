"""Reports of sessions: on the disk before the answer, nothing lost by a refusal or a kill, leases that are true."""

import asyncio
import threading
from contextlib import asynccontextmanager

import orjson
import pytest

from backend_api.client import Answer, BackendError
from backend_api.contract.session_tokens import SessionClaims
from backend_api.contract.sessions import MAX_BATCH_BYTES
from presence_server.delivery.outbox import opened
from presence_server.errors import OutboxRefused
from presence_server.sessions import journal as journals
from presence_server.sessions.intervals import Intervals
from presence_server.sessions.journal import Journal
from presence_server.sessions.reports import NODES_PATH, SessionReports, session_bodies

T = 1_800_000_000.0


class Clock:
    """What SessionReports needs of the clock, moved by the test."""

    def __init__(self):
        self.at, self.boot = T, 1

    def now(self):
        return self.at


class Node:
    """One life of a node on a folder. `answer` is what the backend says to leases; None: it is away."""

    def __init__(self, outbox, folder, clock, boot):
        clock.boot = boot
        self.clock, self.outbox = clock, outbox
        self.intervals = Intervals("n1", boot)
        self.posted, self.answer = [], b'{"success":true,"data":{"reportOpen":false}}'
        self.reports = SessionReports(self.intervals, clock, Journal(folder / "intervals.log"), outbox, self.post)

    async def post(self, path, body, request_id):
        assert path == NODES_PATH
        self.posted.append(orjson.loads(body))
        if self.answer is None:
            raise BackendError("away", status=None, retryable=True)
        return Answer(200, self.answer)

    def open(self, name):
        claims = SessionClaims("listening", name, self.clock.at, "", ("c1", "", ""))
        return self.reports.add(self.intervals.open(name, claims, f"i-{name}", {"channel_id": "c1"}, self.clock.at))

    def close(self, name, reason="disconnect"):
        return self.reports.add(self.intervals.close(name, reason, self.clock.at, self.clock.at))

    async def filed(self):
        """Every interval in the outbox, in order."""
        async with self.outbox._database.execute("SELECT body FROM reports ORDER BY place") as rows:
            bodies = await rows.fetchall()
        return [
            (i["sessionId"], i.get("reason"), i["version"]) for (b,) in bodies for i in orjson.loads(b)["intervals"]
        ]


@pytest.fixture
def live(tmp_path):
    """Begins lives of the node on one folder."""
    clock = Clock()

    @asynccontextmanager
    async def begin(boot=1):
        async with opened(tmp_path / "sessions.db", 10**7, clock.now) as outbox:
            node = Node(outbox, tmp_path, clock, boot)
            await node.reports.recover()
            yield node

    return begin


async def test_a_report_is_done_when_the_outbox_has_it_and_many_share_one_commit(live):
    """A hundred starts: not done before the flush, all done with it, one body."""
    async with live() as node:
        starts = [asyncio.ensure_future(node.open(f"s{n}")) for n in range(100)]
        await asyncio.sleep(0)
        assert not any(start.done() for start in starts)
        assert await node.reports.flush()
        await asyncio.gather(*starts)
        assert (node.outbox.waiting, len(await node.filed())) == (1, 100)


def test_a_batch_is_never_larger_than_the_backend_takes():
    """Neither by its number of reports nor by their bytes: whatever a client writes into its fields."""
    long = {"channel_id": "c" * 128, "user_agent": "\x01" * 512, "listener_id": "\U0001f600" * 64}
    for described, most in (({"channel_id": "c1"}, 1_000), (long, 999)):
        intervals = Intervals("n1", 1)
        claims = SessionClaims("listening", "s", T, "", ("c1", "", ""))
        reports = [intervals.open(f"s{n}", claims, f"i{n}", described, T) for n in range(2_100)]
        bodies = session_bodies(reports)
        assert all(len(body) <= MAX_BATCH_BYTES for body in bodies)
        batches = [orjson.loads(body)["intervals"] for body in bodies]
        assert max(map(len, batches)) <= most
        assert [told["intervalId"] for batch in batches for told in batch] == [f"i{n}" for n in range(2_100)]
        assert len(bodies) <= sum(map(len, bodies)) // (MAX_BATCH_BYTES // 2) + 3
    assert session_bodies([]) == []


async def test_an_outbox_that_refuses_loses_nothing(live, monkeypatch):
    """Starts wait with their answers; what changes meanwhile supersedes; all is filed once it takes again."""
    async with live() as node:
        add = node.outbox.add

        async def refuse(path, bodies):
            raise OutboxRefused("full")

        monkeypatch.setattr(node.outbox, "add", refuse)
        first = asyncio.ensure_future(node.open("s1"))
        await asyncio.sleep(0)
        assert await node.reports.flush() is False
        second = asyncio.ensure_future(node.close("s1"))
        await asyncio.sleep(0)
        monkeypatch.setattr(node.outbox, "add", add)
        assert await node.reports.flush()
        await asyncio.wait_for(asyncio.gather(first, second), 30)
        assert [(name, reason) for name, reason, _ in await node.filed()] == [("s1", "disconnect")]


async def test_an_end_of_the_program_loses_nothing_that_is_being_filed(live, monkeypatch):
    """The background is cancelled with a report half-way to the outbox: the last flush comes after it."""
    async with live() as node:
        began, goes_on, add = asyncio.Event(), asyncio.Event(), node.outbox.add

        async def held_up(path, bodies):
            began.set()
            await goes_on.wait()
            await add(path, bodies)

        monkeypatch.setattr(node.outbox, "add", held_up)
        background = asyncio.create_task(node.reports.run())
        node.open("s1")
        await asyncio.wait_for(began.wait(), 30)
        node.close("s1", "shutdown")
        background.cancel()
        await asyncio.wait([background])
        last = asyncio.create_task(node.reports.flush())
        goes_on.set()
        assert await last
        assert [(name, reason) for name, reason, _ in await node.filed()] == [("s1", None), ("s1", "shutdown")]


async def test_a_line_written_while_the_journal_is_made_anew_comes_after_it(tmp_path, monkeypatch):
    """Beats and filings share the file: none writes into the one that is being replaced."""
    monkeypatch.setattr(journals, "_COMPACT_ABOVE", 0)
    journal, intervals, appended = Journal(tmp_path / "intervals.log"), Intervals("n1", 1), threading.Event()
    rewrite, append = journal._rewrite, journal._append

    def slowly(records):
        appended.wait(0.2)
        rewrite(records)

    def at_once(records):
        append(records)
        appended.set()

    await journal.write(T)
    monkeypatch.setattr(journal, "_rewrite", slowly)
    monkeypatch.setattr(journal, "_append", at_once)
    claims = SessionClaims("listening", "s1", T, "", ("c1", "", ""))
    opened = intervals.open("s1", claims, "i-s1", {"channel_id": "c1"}, T)
    await asyncio.gather(journal.write(T + 1), journal.write(T + 2, [opened]))
    left = journal.left()
    assert [report.interval_id for report in left.open] == ["i-s1"]
    assert left.last_at == T + 2


@pytest.mark.parametrize("failing", ["_rewrite", "_append"])
async def test_a_journal_that_could_not_be_written_is_made_anew_by_the_next_write(tmp_path, monkeypatch, failing):
    """What the failed write had to say is in it: an interval that ended is not taken for one that was killed."""
    journal, intervals = Journal(tmp_path / "intervals.log"), Intervals("n1", 1)
    claims = SessionClaims("listening", "s1", T, "", ("c1", "", ""))
    await journal.write(T, [intervals.open("s1", claims, "i-s1", {"channel_id": "c1"}, T)])

    def full(_records):
        raise OSError("No space left on device")

    with monkeypatch.context() as on_a_full_disk:
        on_a_full_disk.setattr(journals, "_COMPACT_ABOVE", -100 if failing == "_rewrite" else 2_000)
        on_a_full_disk.setattr(journal, failing, full)
        await journal.write(T + 1, [intervals.close("s1", "stop", T + 1, T + 1)])
    assert [report.interval_id for report in journal.left().open] == ["i-s1"]
    await journal.write(T + 2)
    assert (journal.left().open, journal.left().last_at) == ([], T + 2)


async def test_a_killed_node_files_what_was_open_at_its_last_beat(live):
    """The next life closes it as killed; what had been stopped is not touched."""
    async with live() as node:
        node.open("s1")
        node.open("s2")
        await node.reports.flush()
        node.close("s2", "stop")
        await node.reports.flush()
        node.clock.at += 7
        await node.reports.beat()
        node.clock.at += 3
    async with live(2) as node:
        filed = await node.filed()
        assert [(name, reason) for name, reason, _ in filed] == [
            ("s1", None), ("s2", None), ("s2", "stop"), ("s1", "killed"),
        ]  # fmt: skip
        assert filed[-1][2] > filed[0][2]
    async with live(3) as node:
        assert len(await node.filed()) == 4


async def test_a_lease_is_complete_only_through_what_was_delivered(live):
    """Through now when nothing waits; else not beyond the oldest that waits, in memory or on the disk."""
    async with live() as node:
        await node.reports.beat()
        assert node.posted[-1]["completeThrough"] == node.posted[-1]["at"]
        node.open("s1")
        node.clock.at += 20
        await node.reports.beat()
        assert node.posted[-1]["completeThrough"] == "2027-01-15T08:00:00Z"
        await node.reports.flush()
        node.clock.at += 20
        await node.reports.beat()
        assert node.posted[-1]["completeThrough"] <= "2027-01-15T08:00:20Z"


async def test_a_backend_that_gave_the_node_up_hears_of_its_open_intervals(live):
    """Asked to, it reports them again, with higher versions; no answer or nonsense changes nothing."""
    async with live() as node:
        node.open("s1")
        await node.reports.flush()
        for answer in (None, b"<html>", b'{"success":true,"data":{"reportOpen":true}}'):
            node.answer = answer
            node.clock.at += 5
            await node.reports.beat()
            await node.reports.flush()
        versions = [version for _, _, version in await node.filed()]
        assert len(versions) == 2
        assert versions[1] > versions[0]


async def test_a_clock_that_steps_ends_the_boots_intervals_and_begins_new_ones(live):
    """At the next beat: closed by the old clock, open by the new one."""
    async with live() as node:
        node.open("s1")
        await node.reports.beat()
        node.clock.at, node.clock.boot = T + 7200, 2
        await node.reports.beat()
        await node.reports.flush()
        assert [(name, reason) for name, reason, _ in await node.filed()] == [("s1", "shutdown"), ("s1", None)]
        assert node.posted[-1]["boot"] == 2
