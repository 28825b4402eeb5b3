"""The installation by simulation: every viewer who comes and goes, one by one. Pure: dice and time are its own."""

from array import array
from bisect import bisect
from collections import Counter
from collections.abc import Callable
from random import Random

from scripts.scale.load import Load, sketching, standing
from scripts.scale.plan import (
    ESTIMATE_ABOVE,
    HOLD_SECONDS,
    IN_SCRIPT,
    PERIOD_SECONDS,
    REFRESH_SECONDS,
    STORM_SECONDS,
    UNITE_SECONDS,
    UPDATES_PER_SECOND,
    Plan,
)

_SECONDS_PER_PERSON = 20e-6
_SMALL_SET = 128

Progressed = Callable[[float], None]
"""Told how much of the whole is done, from 0 to 1."""


class Simulation:
    """Viewers as places (room times nodes plus node), and what the nodes say about them."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.load = Load()
        self._dice = Random(seed)  # noqa: S311 - a simulation, not a secret
        self._rooms = plan.cumulative()
        self._now = 0.0
        self._viewers = array("q", (self._place() for _ in range(plan.viewers)))
        self._here = Counter(self._viewers)
        self._left: dict[int, float] = {}
        self._holders: Counter[int] = Counter()
        self._listeners: Counter[int] = Counter()
        self._size: Counter[int] = Counter()
        for place, count in self._here.items():
            self._holders[place // plan.nodes] += 1
            self._listeners[place // plan.nodes] += 1
            self._size[place // plan.nodes] += count
        self._said: dict[int, int] = {}
        self._told: dict[int, float] = {}
        self._united: dict[int, None] = {}
        self._unite_at = 0.0

    def run(self, seconds: float, progressed: Progressed) -> Load:
        """The steady state: first as long as an empty room is heard, then `seconds` that count."""
        until, whole = self._now + HOLD_SECONDS, HOLD_SECONDS + seconds
        self._live(until, lambda done: progressed(done * HOLD_SECONDS / whole))
        self.load = Load()
        self._live(until + seconds, lambda done: progressed((HOLD_SECONDS + done * seconds) / whole))
        self._forget()
        per_second = self._scaled(self.load, seconds)
        return self._with_state(per_second.plus(standing(self.plan)))

    def storm(self, progressed: Progressed) -> Load:
        """What comes on top of the steady state while the viewers of the first node come back on the others."""
        nodes, self.load = self.plan.nodes, Load()
        gone = [index for index, place in enumerate(self._viewers) if place % nodes == 0]
        for room in {self._viewers[index] // nodes for index in gone}:
            self._holders[room] -= 1
            self._listeners[room] -= 1
            self._say(room)
        for number, index in enumerate(gone):
            self._now += STORM_SECONDS / len(gone)
            place = self._viewers[index] // nodes * nodes + self._dice.randrange(1, nodes)
            self._viewers[index] = place
            self._come(place)
            progressed(number / len(gone))
        self.load.updates = self.load.reads = self.load.read_holders = self.load.counted = 0.0
        return self._scaled(self.load, STORM_SECONDS)

    def _live(self, until: float, progressed: Progressed) -> None:
        start, steps = self._now, 0
        rate = 2 * self.plan.viewers / self.plan.stay_seconds
        while True:
            self._now += self._dice.expovariate(rate)
            if self._now >= until:
                break
            # As many come as go: the number of viewers stays.
            steps += 1
            self._leave() if steps % 2 else self._join()
            if steps % 10_000 == 0:
                self._forget()
                progressed((self._now - start) / (until - start))
        self._now = until

    def _join(self) -> None:
        place = self._place()
        self._viewers.append(place)
        self.load.joins += 1
        self._size[place // self.plan.nodes] += 1
        self._come(place)

    def _come(self, place: int) -> None:
        room = place // self.plan.nodes
        self._here[place] += 1
        if self._here[place] == 1:
            self._holders[room] += 1
            if self._left.pop(place, None) is None:
                self._listeners[room] += 1
                self.load.reads += 1
                self.load.read_holders += max(self._holders[room] - 1, 0)
        self._changed(place)

    def _leave(self) -> None:
        index = self._dice.randrange(len(self._viewers))
        place = self._viewers[index]
        self._viewers[index] = self._viewers[-1]
        self._viewers.pop()
        room = place // self.plan.nodes
        self._here[place] -= 1
        self._size[room] -= 1
        if not self._here[place]:
            del self._here[place]
            self._holders[room] -= 1
            self._left[place] = self._now
        self._changed(place)

    def _changed(self, place: int) -> None:
        """A node says a room once in each period, and a room hears its count so often at most."""
        room, period = place // self.plan.nodes, int(self._now / PERIOD_SECONDS)
        if self._said.get(place) != period:
            self._said[place] = period
            self._say(room)
        if self._now >= self._told.get(room, 0.0):
            self._told[room] = self._now + 1 / UPDATES_PER_SECOND
            self.load.updates += self._size[room]

    def _say(self, room: int) -> None:
        holders = max(self._holders[room], 1)
        self.load.changes += 1
        self.load.messages += self._listeners[room]
        if self._size[room] <= IN_SCRIPT:
            self.load.change_holders += holders - 1
            self.load.counted += self._size[room] if holders > 1 else 0
        elif self._size[room] <= ESTIMATE_ABOVE:
            self._united[room] = None
        if self._now >= self._unite_at:
            self._unite()

    def _unite(self) -> None:
        """One node counts the rooms that are due, and leaves Redis alone for as long as that was work."""
        people = sum(self._size[room] for room in self._united)
        self._united.clear()
        self.load.counted += people
        self._unite_at = self._now + UNITE_SECONDS + people * _SECONDS_PER_PERSON

    def _forget(self) -> None:
        """Rooms that have been empty for long are heard no more."""
        for place in [place for place, left_at in self._left.items() if self._now - left_at >= HOLD_SECONDS]:
            del self._left[place]
            self._listeners[place // self.plan.nodes] -= 1

    def _scaled(self, load: Load, seconds: float) -> Load:
        return Load(**{name: getattr(load, name) / seconds for name in Load.__slots__})

    def _with_state(self, load: Load) -> Load:
        """What is kept, and what the rounds ask for that go over all of it."""
        for room, listeners in self._listeners.items():
            holders = self._holders[room]
            load.occupied += holders > 0
            load.held += holders
            load.heard += listeners
            load.entries += max(listeners * holders - holders, 0)
            load.reads += listeners / REFRESH_SECONDS
            load.read_holders += listeners / REFRESH_SECONDS * max(holders - 1, 0)
        for place, count in self._here.items():
            if self._size[place // self.plan.nodes] <= ESTIMATE_ABOVE:
                load.small_sets += count - 1 if count <= _SMALL_SET else 0
                load.large_sets += count - 1 if count > _SMALL_SET else 0
        load.sketched = sketching(self.plan)
        return load

    def _place(self) -> int:
        room = bisect(self._rooms, self._dice.random() * self._rooms[-1])
        return min(room, self.plan.rooms - 1) * self.plan.nodes + self._dice.randrange(self.plan.nodes)
