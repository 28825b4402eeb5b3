"""Takes reports from the outbox to the backend: oldest first, paced, again after a failure. Keeps nothing itself."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog

from backend_api.client import Answer, BackendError
from presence_server.delivery.outbox import Outbox, Report
from presence_server.delivery.reports import Fate, SetAside, fate_of, invalid_items, retry_after_seconds, wait_seconds
from presence_server.errors import OutboxRefused

log = structlog.get_logger(__name__)

CHOKED_TIMES = 5
"""A report on which the backend choked so often lets the others go first."""

ITEMS_SET_ASIDE = "items set aside"
TOO_OLD = "too old"

Post = Callable[[str, bytes, str], Awaitable[Answer]]
"""Sends a body to a path under a request id: `BackendClient.post_report`."""


class _NotTakenError(Exception):
    """An answer after which the report is sent again; `choked` if it may be the report's own fault."""

    def __init__(self, reason: str, *, retry_after_seconds: float = 0.0, choked: bool = False) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.choked = choked


class Courier:
    """One report at a time, at most `sends_per_second` of them, so that an outage does not end in a flood.

    What is older than `taken_for_seconds` is dropped, loudly: the backend would not take it any more.
    """

    def __init__(
        self,
        outbox: Outbox,
        post: Post,
        sends_per_second: float,
        *,
        taken_for_seconds: float = math.inf,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._post = post
        self._interval_seconds = 1 / sends_per_second
        self._taken_for_seconds = taken_for_seconds
        self._now = now
        self._sleep = sleep
        self._chance = chance
        self._failures = 0
        self._choked = Counter[str]()
        self.outcomes = Counter[str]()
        """How many attempts ended each way, by the name of the Fate, how many items were set aside, how many reports
        were too old."""

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._outbox.arrived.clear()
            wait = await self.next()
            if wait is None:
                await self._outbox.arrived.wait()
            else:
                await self._sleep(max(wait, self._interval_seconds))

    async def empty(self) -> bool:
        """Deliver without a pause until nothing waits; False at the first failure."""
        while (wait := await self.next()) is not None:
            if wait:
                return False
        return True

    async def next(self) -> float | None:
        """Deliver the oldest report. Seconds to wait, 0 when it is done with; None when nothing waits."""
        try:
            report = await self._oldest_taken()
            if report is None:
                return None
            await self._deliver(report)
        except _NotTakenError as error:
            return self._wait(str(error), error.retry_after_seconds)
        except (BackendError, OutboxRefused) as error:
            # Where the outbox could not forget it, it is sent once more: the backend knows its parts by then.
            return self._wait(str(error))
        self._failures = 0
        return 0.0

    async def _oldest_taken(self) -> Report | None:
        while (report := await self._outbox.oldest()) is not None:
            if self._now() - report.created_at <= self._taken_for_seconds:
                return report
            log.error(
                "report_dropped", id=report.id, reason="older than what the backend takes", bytes=len(report.body)
            )
            await self._outbox.done(report)
            self.outcomes[TOO_OLD] += 1
        return None

    async def _deliver(self, report: Report) -> None:
        answer = await self._post(report.path, report.body, report.id)
        try:
            fate, aside = _judge(report, answer, self._now())
        except _NotTakenError as error:
            if error.choked:
                await self._let_others_pass(report)
            raise
        await self._outbox.done(report, aside)
        self._choked.pop(report.id, None)
        self.outcomes[fate.value] += 1
        self.outcomes[ITEMS_SET_ASIDE] += len(aside)
        if aside:
            log.warning("report_refused", id=report.id, items=len(aside), reason=aside[0].reason)

    async def _let_others_pass(self, report: Report) -> None:
        """A report that the backend chokes on must not hold up the rest for ever."""
        self._choked[report.id] += 1
        if self._choked[report.id] >= CHOKED_TIMES:
            del self._choked[report.id]
            await self._outbox.put_last(report)

    def _wait(self, reason: str, retry_after_seconds: float = 0.0) -> float:
        self._failures += 1
        self.outcomes[Fate.AGAIN.value] += 1
        wait = wait_seconds(self._failures, retry_after_seconds, self._chance())
        tell = log.warning if self._failures == 1 else log.info
        tell("report_not_delivered", reason=reason, failures=self._failures, again_in_seconds=round(wait, 1))
        return wait


def _judge(report: Report, answer: Answer, now: float) -> tuple[Fate, list[SetAside]]:
    """What becomes of the report, and what of it is set aside. Raises _NotTakenError where it has to be sent again."""
    fate = fate_of(answer.status)
    if fate is Fate.AGAIN:
        raise _NotTakenError(
            f"status {answer.status}",
            retry_after_seconds=retry_after_seconds(answer.retry_after, now),
            choked=answer.status == HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    if fate is Fate.SET_ASIDE:
        words = answer.body[:500].decode("utf-8", "replace")
        return fate, [SetAside(report.body, f"status {answer.status}: {words}")]
    try:
        return fate, invalid_items(report.body, answer.body)
    except ValueError as error:
        raise _NotTakenError(f"status {answer.status}, but {error}", choked=True) from None
