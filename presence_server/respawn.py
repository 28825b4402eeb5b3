"""Which of several processes run, which have to be started again and when, and what all of them end with. Pure.

Starts and signals nothing: see `processes`.
"""

from dataclasses import dataclass

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A process that ran for so long has made up for its earlier ends."""


@dataclass(slots=True)
class _Place:
    """One of the processes: running where it has a `pid`, else due at `due_at` (None: never again)."""

    due_at: float | None
    pid: int | None = None
    started_at: float = 0.0
    failures: int = 0


class Crew:
    """Processes by their numbers, from 1 on. `now` is a clock that does not go back.

    One that ends before it was ever ready ends all: what is wrong is wrong for each. One that was ready is started
    again, later each time that it fails soon.
    """

    def __init__(self, count: int, now: float) -> None:
        self._places = {number: _Place(due_at=now) for number in range(1, count + 1)}
        self._stopping = False
        self.status = 0
        """The exit status of the whole."""

    def due(self, now: float) -> list[int]:
        """The numbers of those to start."""
        return [number for number, place in self._places.items() if place.due_at is not None and place.due_at <= now]

    def next_due_at(self) -> float | None:
        """When the next one is to be started; None where none is."""
        return min((place.due_at for place in self._places.values() if place.due_at is not None), default=None)

    def started(self, number: int, pid: int, now: float) -> None:
        place = self._places[number]
        place.pid, place.started_at, place.due_at = pid, now, None

    def pids(self) -> list[int]:
        return [place.pid for place in self._places.values() if place.pid is not None]

    def stop(self) -> None:
        """Nobody is started any more."""
        self._stopping = True
        for place in self._places.values():
            place.due_at = None

    def ended(self, pid: int, status: int, now: float, *, was_ready: bool) -> float | None:
        """A process has ended with this exit status; the seconds until it is started again, None for never."""
        place = next(place for place in self._places.values() if place.pid == pid)
        place.pid = None
        if self._stopping or not was_ready:
            self.status = self.status or status
            self.stop()
            return None
        place.failures = 1 if now - place.started_at >= STEADY_SECONDS else place.failures + 1
        wait: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (place.failures - 1))
        place.due_at = now + wait
        return wait

    @property
    def stopping(self) -> bool:
        return self._stopping
