"""When a room hears its new count: at once after a silence, then at most N times a second, the newest count each time.

Knows neither counts nor sockets: `send` reads the count when it is due, so what is sent is always the newest.
"""

from collections.abc import Callable
from typing import Protocol


class CallLater(Protocol):
    """The loop's `call_later`."""

    def __call__(self, delay: float, callback: Callable[[str], None], room: str, /) -> object: ...


class Broadcaster:
    """Paces `send(room)`. A room costs a timer only while it changes."""

    def __init__(self, send: Callable[[str], None], call_later: CallLater, updates_per_second: float) -> None:
        self._send = send
        self._call_later = call_later
        self._interval_seconds = 1 / updates_per_second
        self._is_silent = False
        self._paced: dict[str, bool] = {}  # room -> whether it changed since it last heard

    def changed(self, room: str) -> None:
        """The room's count is another one now."""
        if self._is_silent:
            return
        if room in self._paced:
            self._paced[room] = True
        else:
            self._hear(room)

    def silence(self) -> None:
        """From now on nobody hears anything: where everybody is sent away, counting down would only be noise."""
        self._is_silent = True

    def _due(self, room: str) -> None:
        if self._paced.pop(room) and not self._is_silent:
            self._hear(room)

    def _hear(self, room: str) -> None:
        self._paced[room] = False
        self._call_later(self._interval_seconds, self._due, room)
        self._send(room)

    def __len__(self) -> int:
        """How many rooms are being paced."""
        return len(self._paced)
