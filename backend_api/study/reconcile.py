"""Asks the provider about what was never heard of: webhooks are retried for seconds, outages last longer."""

from collections.abc import Callable

import structlog

from backend_api.study.asking import ASK_AFTER_SECONDS, Asking
from backend_api.study.providers import ProviderAwayError, ProviderError
from backend_api.study.tracking import StudyTracking

PERIOD_SECONDS = ASK_AFTER_SECONDS
PER_ROUND = 200
AWAY_IN_A_ROW = 3
"""After so many calls in a row for which the provider could not be reached, the rest waits for the next round."""

log = structlog.get_logger(__name__)


class Reconcile:
    """The job. A call that the provider does not answer for keeps no other from being asked about."""

    def __init__(self, asking: Asking, tracking: StudyTracking, now: Callable[[], float]) -> None:
        self._asking, self._tracking, self._now = asking, tracking, now

    async def run(self) -> None:
        due = [call_id async for call_id in self._asking.due(self._now(), PER_ROUND)]
        away = 0
        for call_id in due:
            away = away + 1 if await self._is_away(call_id) else 0
            if away == AWAY_IN_A_ROW:
                return

    async def _is_away(self, call_id: str) -> bool:
        """Asks; whether the provider could not be reached at all."""
        try:
            await self._tracking.learn(call_id)
        except ProviderError as error:
            log.warning("provider_gave_no_answer", call=call_id, reason=str(error))
            await self._asking.put_off(call_id, self._now())
            return isinstance(error, ProviderAwayError)
        return False
