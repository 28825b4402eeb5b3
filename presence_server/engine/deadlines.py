"""What falls due after one fixed time; pure, the time is an argument.

All items of one `Deadlines` wait equally long, so their order of arrival is the order in which they fall due, and a
plain dict is the whole wheel: start, stop and restart cost one operation, and nothing lingers after a stop.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Items that fall due `seconds` after they were started, on the caller's clock."""

    __slots__ = ("_due_at", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due_at: dict[T, float] = {}

    def __len__(self) -> int:
        return len(self._due_at)

    def __contains__(self, item: T) -> bool:
        return item in self._due_at

    def items(self) -> list[T]:
        return list(self._due_at)

    def start(self, item: T, now: float) -> None:
        """Let the item wait from now on, anew if it was waiting."""
        self._due_at.pop(item, None)
        self._due_at[item] = now + self.seconds

    def stop(self, item: T) -> None:
        self._due_at.pop(item, None)

    def due(self, now: float) -> list[T]:
        """Remove and return what has fallen due, the oldest first."""
        found: list[T] = []
        for item, due_at in self._due_at.items():
            if due_at > now:
                break
            found.append(item)
        for item in found:
            del self._due_at[item]
        return found
