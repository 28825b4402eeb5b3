"""How many sessions a user, or the guests of an address, may start and hold over HTTP. Pure; nothing is stored."""

from collections import deque

from backend_api.contract.sessions import TIMINGS


class StartLimits:
    """Starts within the last minute, and sessions that were begun or heard of within the silence time, by holder."""

    def __init__(self, sessions_at_once: int, starts_per_minute: int) -> None:
        self._most_sessions = sessions_at_once
        self._most_starts = starts_per_minute
        self._starts: dict[str, deque[float]] = {}
        self._heard: dict[str, dict[str, float]] = {}

    def may_start(self, holder: str, now: float) -> bool:
        """Whether one more may start; then it counts."""
        starts = self._starts.setdefault(holder, deque())
        while starts and starts[0] <= now - 60:
            starts.popleft()
        sessions = self._current(holder, now)
        if len(starts) >= self._most_starts or len(sessions) >= self._most_sessions:
            return False
        starts.append(now)
        return True

    def heard(self, holder: str, session_id: str, now: float) -> None:
        self._heard.setdefault(holder, {})[session_id] = now

    def over(self, holder: str, session_id: str) -> None:
        sessions = self._heard.get(holder, {})
        sessions.pop(session_id, None)
        if not sessions:
            self._heard.pop(holder, None)

    def forget(self, now: float) -> None:
        """Drop the holders that nothing was heard from lately."""
        for holder in [holder for holder in self._heard if not self._current(holder, now)]:
            del self._heard[holder]
        for holder in [holder for holder, starts in self._starts.items() if not starts or starts[-1] <= now - 60]:
            del self._starts[holder]

    def _current(self, holder: str, now: float) -> dict[str, float]:
        sessions = self._heard.get(holder, {})
        since = now - TIMINGS["listening"].silence_seconds
        for session_id in [session_id for session_id, heard in sessions.items() if heard < since]:
            del sessions[session_id]
        return sessions
