"""Takes interval reports to the journal and the outbox, many at once, and sends the node's lease.

A report is on the disk when its future is done. The lease says through when everything has been delivered.
"""

import asyncio
from collections.abc import Awaitable, Callable
from secrets import token_hex, token_urlsafe

import structlog
from pydantic import BaseModel, ValidationError

from backend_api.client import Answer, BackendError
from backend_api.contract.sessions import (
    LEASE_SECONDS,
    MAX_BATCH_BYTES,
    MAX_INTERVALS,
    IntervalReport,
    LeaseAnswer,
    LeaseReport,
)
from backend_api.contract.wire import at as moment
from presence_server.clock import Clock
from presence_server.delivery.outbox import Outbox
from presence_server.errors import OutboxRefused
from presence_server.sessions.intervals import Intervals, killed
from presence_server.sessions.journal import Journal

SESSIONS_PATH = "/internal/v1/sessions"
NODES_PATH = "/internal/v1/nodes"
GROUP_SECONDS = 0.05
REFUSED_SECONDS = 1.0
_COMMIT_SECONDS = 1.0
"""An event is in the outbox this soon after it happened, as long as the outbox takes it."""

_BODY = b'{"intervals":[%s]}'

log = structlog.get_logger(__name__)

Post = Callable[[str, bytes, str], Awaitable[Answer]]


class _Success(BaseModel):
    data: LeaseAnswer


class SessionReports:
    """The way of intervals out of this process. Keeps them, newest version each, while the outbox refuses."""

    def __init__(self, intervals: Intervals, clock: Clock, journal: Journal, outbox: Outbox, post: Post) -> None:
        self._intervals = intervals
        self._clock = clock
        self._journal = journal
        self._outbox = outbox
        self._post = post
        self._waiting: dict[str, IntervalReport] = {}
        self._durable: asyncio.Future[None] | None = None
        self._since: float | None = None
        self._arrived = asyncio.Event()
        self._filing = asyncio.Lock()
        self._beaten_at = clock.now()

    @property
    def unfiled(self) -> int:
        """How many reports wait to be filed: for moments, or as long as the outbox refuses."""
        return len(self._waiting)

    def add(self, report: IntervalReport) -> Awaitable[None]:
        """File a report; what is returned is done when it is on the disk."""
        self._waiting[report.interval_id] = report
        self._since = self._clock.now() if self._since is None else self._since
        if self._durable is None:
            self._durable = asyncio.get_running_loop().create_future()
        self._arrived.set()
        return asyncio.shield(self._durable)

    async def run(self) -> None:
        """File for ever, a group every 50 ms at most. Cancelled, it leaves a filing that has begun to its end."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GROUP_SECONDS)
            if not await asyncio.shield(self.flush()):
                await asyncio.sleep(REFUSED_SECONDS)

    async def flush(self) -> bool:
        """File what waits, after what is being filed; False where the outbox refuses, and then it waits on."""
        async with self._filing:
            self._arrived.clear()
            batch, durable, since = self._waiting, self._durable, self._since
            if not batch:
                return True
            self._waiting, self._durable = {}, None
            reports = list(batch.values())
            try:
                await self._journal.write(self._clock.now(), reports)
                await self._outbox.add(SESSIONS_PATH, session_bodies(reports))
            except OutboxRefused as error:
                log.error("outbox_refused", reason=error.reason, waiting=len(batch))
                self._put_back(batch, durable, since)
                return False
            self._since = None if not self._waiting else self._since
        if durable is not None:
            _settle(durable)
        return True

    async def recover(self) -> None:
        """File what the last life left open, before anybody hears of this one. Raises OutboxRefused."""
        left = await asyncio.to_thread(self._journal.left)
        ended = killed(left.open, left.last_at, self._clock.now())
        if ended:
            log.info("intervals_found", intervals=len(ended))
            await self._outbox.add(SESSIONS_PATH, session_bodies(ended))
        await asyncio.to_thread(self._journal.clear)

    async def beat(self) -> None:
        """Sign of life, for the journal and the backend; answers a backend that had given this node up."""
        if self._intervals.boot != self._clock.boot:
            self._reboot()
        now = self._clock.now()
        self._beaten_at = now
        await self._journal.write(now)
        try:
            through = await self._complete_through(now)
        except OutboxRefused as error:
            log.error("outbox_refused", reason=error.reason)
            return
        body = LeaseReport(
            node=self._intervals.node, boot=self._intervals.boot, at=moment(now), complete_through=moment(through)
        )
        try:
            answer = await self._post(NODES_PATH, body.model_dump_json(by_alias=True).encode(), token_hex(16))
            asked = answer.status == 200 and _Success.model_validate_json(answer.body, extra="ignore").data.report_open
        except (BackendError, ValidationError) as error:
            log.debug("lease_not_sent", reason=type(error).__name__)
            return
        if asked:
            for report in self._intervals.again(self._clock.now()):
                self.add(report)

    async def beat_for_ever(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(LEASE_SECONDS)

    def _reboot(self) -> None:
        """The clock stepped since the last beat: intervals end by the old clock and go on by the new one."""
        ended_at = self._beaten_at
        for report in self._intervals.reboot(self._clock.boot, ended_at, lambda: token_urlsafe(12), self._clock.now()):
            self.add(report)

    async def _complete_through(self, now: float) -> float:
        """The time before which everything has been delivered."""
        oldest = await self._outbox.oldest_at()
        sent_through = now if oldest is None else min(now, oldest - _COMMIT_SECONDS)
        return sent_through if self._since is None else min(sent_through, self._since)

    def _put_back(
        self, batch: dict[str, IntervalReport], durable: asyncio.Future[None] | None, since: float | None
    ) -> None:
        """What came meanwhile is newer."""
        self._waiting = {**batch, **self._waiting}
        newer, self._durable, self._since = self._durable, durable, since
        if newer is not None and durable is not None:
            durable.add_done_callback(lambda _: _settle(newer))
        self._arrived.set()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def session_bodies(reports: list[IntervalReport]) -> list[bytes]:
    """Frozen bodies: a retry sends the same bytes. None is of more reports or bytes than the backend takes."""
    groups: list[list[bytes]] = []
    free = 0
    for report in reports:
        told = report.model_dump_json(by_alias=True, exclude_none=True).encode()
        free -= len(told) + len(b",")
        if free < 0 or len(groups[-1]) == MAX_INTERVALS:
            groups.append([])
            free = MAX_BATCH_BYTES - len(_BODY) - len(told)
        groups[-1].append(told)
    return [_BODY % b",".join(group) for group in groups]
