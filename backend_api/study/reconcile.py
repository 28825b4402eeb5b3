"""Asks the provider about calls whose end was never heard of: webhooks are retried for seconds, outages last longer."""

from collections.abc import Callable

from backend_api.study.store import StudyStore
from backend_api.study.tracking import StudyTracking

PERIOD_SECONDS = 300.0
PER_ROUND = 50
GIVEN_UP_AFTER_SECONDS = 2 * 86_400.0


class Reconcile:
    """The job. Its round ends at the first call for which the provider cannot be reached."""

    def __init__(self, store: StudyStore, tracking: StudyTracking, now: Callable[[], float]) -> None:
        self._store, self._tracking, self._now = store, tracking, now

    async def run(self) -> None:
        now = self._now()
        due = [call_id async for call_id in self._store.to_ask(now - PERIOD_SECONDS, PER_ROUND)]
        for call_id in due:
            if not await self._tracking.ask(call_id):
                return
            if now - await self._store.since(call_id) > GIVEN_UP_AFTER_SECONDS:
                await self._store.give_up(call_id)
