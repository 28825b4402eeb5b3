"""Rooms that failed wait here, each until a time of its own, so that none is in the way of the others. Pure."""

from heapq import heappop, heappush

AGAIN_SECONDS = 0.25
"""How long after its first failure a room is tried again; then after as long as it has been failing."""

LONGEST_SECONDS = 2.0


class Aside:
    """Rooms with the time at which each is to be tried again."""

    def __init__(self) -> None:
        self._rooms: dict[str, float] = {}
        self._by_time: list[tuple[float, str]] = []

    def put(self, room: str, now: float, failing_since: float) -> None:
        """The room failed at `now`."""
        at = now + min(max(now - failing_since, AGAIN_SECONDS), LONGEST_SECONDS)
        self._rooms[room] = at
        heappush(self._by_time, (at, room))

    def ripe(self, now: float, most: int) -> list[str]:
        """At most so many rooms whose time has come; they are not here any more."""
        found: list[str] = []
        while self._by_time and self._by_time[0][0] <= now and len(found) < most:
            at, room = heappop(self._by_time)
            if self._rooms.get(room) == at:
                del self._rooms[room]
                found.append(room)
        return found

    def clear(self) -> list[str]:
        """All of them; none is here any more."""
        rooms = list(self._rooms)
        self._rooms.clear()
        self._by_time.clear()
        return rooms

    @property
    def next_at(self) -> float | None:
        """When the next one is to be tried; None where there is none."""
        return self._by_time[0][0] if self._by_time else None

    def __contains__(self, room: str) -> bool:
        return room in self._rooms
