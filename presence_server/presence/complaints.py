"""What goes wrong again and again is said once: a line in the log for each kind and minute, with how often it came."""

import asyncio
from collections import Counter

import structlog

log = structlog.get_logger(__name__)

EVERY_SECONDS = 60.0

_KINDS = 100
"""So many kinds are told apart; with more of them the minutes begin anew."""


class Complaints:
    """The complaints of one node about Redis."""

    def __init__(self) -> None:
        self._said_at: dict[tuple[str, str], float] = {}
        self._unsaid: Counter[tuple[str, str]] = Counter()
        self.last = ""
        """The newest reason."""

    def note(self, event: str, reason: str, error: BaseException | None = None) -> None:
        """Something went wrong; the line of an `error` that nobody expected has its trace."""
        self.last = reason
        kind, now = (event, reason), asyncio.get_running_loop().time()
        if now - self._said_at.get(kind, float("-inf")) < EVERY_SECONDS:
            self._unsaid[kind] += 1
            return
        if len(self._said_at) >= _KINDS:
            self._said_at.clear()
            self._unsaid.clear()
        self._said_at[kind] = now
        log.warning(event, reason=reason, unsaid=self._unsaid.pop(kind, 0), exc_info=error)
