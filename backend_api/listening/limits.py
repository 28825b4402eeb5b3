"""How many sessions guests may start and hold over HTTP from one address. Time is an argument; nothing is stored."""

from collections import deque

from backend_api.contract.sessions import TIMINGS


class GuestLimits:
    """Starts within the last minute, and sessions that were begun or heard of within the silence time."""

    def __init__(self, sessions_per_address: int, starts_per_minute: int) -> None:
        self._most_sessions = sessions_per_address
        self._most_starts = starts_per_minute
        self._starts: dict[str, deque[float]] = {}
        self._heard: dict[str, dict[str, float]] = {}

    def may_start(self, address: str, now: float) -> bool:
        """Whether one more may start; then it counts."""
        starts = self._starts.setdefault(address, deque())
        while starts and starts[0] <= now - 60:
            starts.popleft()
        sessions = self._current(address, now)
        if len(starts) >= self._most_starts or len(sessions) >= self._most_sessions:
            return False
        starts.append(now)
        return True

    def heard(self, address: str, session_id: str, now: float) -> None:
        self._heard.setdefault(address, {})[session_id] = now

    def over(self, address: str, session_id: str) -> None:
        sessions = self._heard.get(address, {})
        sessions.pop(session_id, None)
        if not sessions:
            self._heard.pop(address, None)

    def forget(self, now: float) -> None:
        """Drop the addresses that nothing was heard from lately."""
        for address in [address for address in self._heard if not self._current(address, now)]:
            del self._heard[address]
        for address in [address for address, starts in self._starts.items() if not starts or starts[-1] <= now - 60]:
            del self._starts[address]

    def _current(self, address: str, now: float) -> dict[str, float]:
        sessions = self._heard.get(address, {})
        since = now - TIMINGS["listening"].silence_seconds
        for session_id in [session_id for session_id, heard in sessions.items() if heard < since]:
            del sessions[session_id]
        return sessions
