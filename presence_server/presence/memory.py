"""One process alone: what a room has here is what it has."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from presence_server.history.rosters import Holder
from presence_server.presence.base import NO_MARKS, Announce
from presence_server.rooms import CountChange, Counts


class MemoryPresence:
    """The presence backend of a process that shares with nobody. Nothing in it can expire."""

    def changed(self, change: CountChange) -> bool:
        return True

    def opening(self, room: str) -> Coroutine[Any, Any, None] | None:
        return None

    def total(self, counts: Counts) -> Counts:
        return counts

    def marks(self, room: str) -> Mapping[str, object]:
        return NO_MARKS

    def roster(self, room: str, minute_at: int) -> Sequence[Holder]:
        return ()

    async def trouble(self) -> str | None:
        return None

    def measures(self) -> Mapping[str, float]:
        return {}

    def background(self, announce: Announce) -> list[Coroutine[Any, Any, None]]:
        return []

    async def leave(self) -> None:
        """There is nobody to tell."""
