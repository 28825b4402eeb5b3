"""Takes webhooks: verified, kept, answered, then applied. What a crash leaves unapplied, the job applies."""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

import structlog
from pymongo.errors import PyMongoError

from backend_api.service.errors import AppError
from backend_api.study.inbox import Inbox, Webhook
from backend_api.study.messages import Received
from backend_api.study.tracking import StudyTracking
from backend_api.study.webhook import Headers, Keys, content_hash, facts_of, is_heeded, read_event, verified

log = structlog.get_logger(__name__)


class WebhookIntake:
    """The way in for the provider's webhooks."""

    def __init__(self, inbox: Inbox, tracking: StudyTracking, keys: Keys | None, now: Callable[[], float]) -> None:
        self._inbox, self._tracking, self._keys, self._now = inbox, tracking, keys, now
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take(self, body: bytes, headers: Headers) -> Received:
        """Durable when this returns; nothing at all is kept of what is refused."""
        now = self._now()
        plain = verified(body, headers, self._keys)
        if not is_heeded(plain):
            return Received(status="ignored")
        event = read_event(plain, now)
        if event.call_cid is None:
            return Received(status="ignored")
        webhook = Webhook(content_hash(plain), headers.webhook_id[:200], event.call_cid, plain)
        if not await self._inbox.keep(webhook, now):
            return Received(status="duplicate")
        task = asyncio.get_running_loop().create_task(self._apply_soon(webhook))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Received(status="stored")

    async def apply_waiting(self) -> None:
        """The job: applies what was kept and not applied. One that fails waits for the next round, alone."""
        async for webhook in self._inbox.waiting():
            await self._apply_soon(webhook)
        await self._inbox.forget(self._now())

    async def _apply_soon(self, webhook: Webhook) -> None:
        # When a lesson begins its webhooks come all at once: in turn, none has to try again because of another.
        turn = self._turns.setdefault(webhook.call_cid, asyncio.Lock())
        try:
            async with turn:
                event = read_event(webhook.body, None)
                await self._tracking.heard(webhook.call_cid, event.session, facts_of(event))
                await self._inbox.mark_applied(webhook.content_hash)
        except (PyMongoError, AppError) as error:
            log.warning("webhook_not_applied", call=webhook.call_cid, reason=str(error))
