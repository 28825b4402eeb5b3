"""One process alone: what a room has here is what it has."""


class MemoryPresence:
    """The presence backend of a process that shares with nobody. Nothing in it can expire."""

    def roster(self, room: str, minute_at: int) -> tuple[str, ...]:
        return ()
