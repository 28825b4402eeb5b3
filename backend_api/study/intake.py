"""Takes webhooks: verified, kept, answered, then applied. What a crash leaves unapplied, the job applies."""

import asyncio
from collections.abc import Callable

import structlog
from pymongo.errors import PyMongoError

from backend_api.service.errors import AppError
from backend_api.study.messages import Received
from backend_api.study.store import StudyStore, Webhook
from backend_api.study.tracking import StudyTracking
from backend_api.study.webhook import Headers, Keys, content_hash, facts_of, is_heeded, read_event, verified

PER_ROUND = 200

log = structlog.get_logger(__name__)


class WebhookIntake:
    """The way in for the provider's webhooks."""

    def __init__(self, store: StudyStore, tracking: StudyTracking, keys: Keys | None, now: Callable[[], float]) -> None:
        self._store, self._tracking, self._keys, self._now = store, tracking, keys, now
        self._tasks: set[asyncio.Task[None]] = set()

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
        if not await self._store.keep(webhook, now):
            return Received(status="duplicate")
        task = asyncio.get_running_loop().create_task(self._apply_soon(webhook))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Received(status="stored")

    async def apply_waiting(self) -> None:
        """The job: applies what was kept and not applied; one that cannot be applied holds up no other."""
        for webhook in await self._store.waiting(PER_ROUND):
            await self._apply_soon(webhook)
        await self._store.forget(self._now())

    async def _apply_soon(self, webhook: Webhook) -> None:
        try:
            await self._apply(webhook)
        except (PyMongoError, AppError) as error:
            log.warning("webhook_not_applied", reason=str(error))

    async def _apply(self, webhook: Webhook) -> None:
        event = read_event(webhook.body, None)
        await self._store.add(self._tracking.short(webhook.call_cid), facts_of(event), self._now())
        await self._store.mark_applied(webhook.content_hash)
