"""What the provider said about a call, as sets of facts, and the stays they add up to. Pure.

Facts are only ever added, and stays are read from all of them at once: neither order nor number of the messages can
change the result. A `left` closes what was joined before it and nothing that was joined later.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

TOLD_WITHIN_SECONDS = 600.0
"""A session of ours is known to the provider if it tells of a stay in the session's last minutes."""


class Joined(NamedTuple):
    """A participant came. `key` is one connection of theirs."""

    key: str
    user_id: str
    at: float


class Left(NamedTuple):
    """A participant went; `seconds` is the provider's own measure of the stay."""

    key: str
    user_id: str
    at: float
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything heard of one call. `opened` and `closed` are when its sessions began and ended."""

    joined: frozenset[Joined] = frozenset()
    left: frozenset[Left] = frozenset()
    opened: frozenset[float] = frozenset()
    closed: frozenset[float] = frozenset()

    def merge(self, other: "Facts") -> "Facts":
        return Facts(
            self.joined | other.joined, self.left | other.left, self.opened | other.opened, self.closed | other.closed
        )

    @property
    def users(self) -> frozenset[str]:
        return frozenset(fact.user_id for fact in self.joined) | frozenset(fact.user_id for fact in self.left)


class Expected(NamedTuple):
    """A session of ours in the call: the provider should know of it. `end` is its start while it lasts."""

    session_id: str
    user_id: str
    start: float
    end: float


class Stay(NamedTuple):
    """A stretch that a user spent in a call; without an end they are still there."""

    user_id: str
    start: float
    end: float | None


def stays(facts: Facts) -> list[Stay]:
    """All stays of all users, in order of their start."""
    heard: dict[tuple[str, str], list[Joined | Left]] = defaultdict(list)
    told: list[Joined | Left] = [*facts.joined, *facts.left]
    for fact in told:
        heard[fact.user_id, fact.key].append(fact)
    closed = sorted(facts.closed)
    found = [stay for (user_id, _), about in heard.items() for stay in _connection(user_id, about, closed)]
    return sorted(found, key=lambda stay: (stay.start, stay.user_id, stay.end or float("inf")))


def spans_of_call(facts: Facts) -> list[tuple[float, float | None]]:
    """When the call was on: each opening to the first closing after it; an opening while it is on changes nothing."""
    spans: list[tuple[float, float | None]] = []
    for at, closes in sorted([(at, False) for at in facts.opened] + [(at, True) for at in facts.closed]):
        is_on = bool(spans) and spans[-1][1] is None
        if closes and is_on:
            spans[-1] = (spans[-1][0], at)
        elif not closes and not is_on:
            spans.append((at, None))
    return spans


def is_open(facts: Facts, found: Iterable[Stay]) -> bool:
    """Whether something began whose end nobody has told us. `found` are the stays of the facts, also below."""
    return any(stay.end is None for stay in found) or any(end is None for _, end in spans_of_call(facts))


def untold(expected: Iterable[Expected], found: Iterable[Stay]) -> list[Expected]:
    """Those of which the provider has told us no stay that is over."""
    known = [(stay.user_id, stay.start, stay.end) for stay in found if stay.end is not None]
    return [
        one
        for one in expected
        if not any(
            user_id == one.user_id and start <= one.end and end >= max(one.start, one.end - TOLD_WITHIN_SECONDS)
            for user_id, start, end in known
        )
    ]


def _connection(user_id: str, told: Sequence[Joined | Left], closed: Sequence[float]) -> Iterable[Stay]:
    start: float | None = None
    # Of the call's ends only those between a connection's messages can matter, and the first one after them.
    first, last = min(fact.at for fact in told), max(fact.at for fact in told)
    ends = [Left("", user_id, at) for at in closed[bisect_left(closed, first) : bisect_right(closed, last) + 1]]
    for fact in sorted((*told, *ends), key=_moment):
        if isinstance(fact, Joined):
            start = fact.at if start is None else start
        elif start is not None:
            yield Stay(user_id, start, fact.at if fact.seconds is None else start + fact.seconds)
            start = None
        elif fact.seconds:  # the join was never heard of, but the provider knows how long it was ago
            yield Stay(user_id, fact.at - fact.seconds, fact.at)
    if start is not None:
        yield Stay(user_id, start, None)


def _moment(fact: Joined | Left) -> tuple[float, int, int]:
    """Of one moment: the join first, then the `left` that knows a duration, then the call's own end."""
    if isinstance(fact, Joined):
        return fact.at, 0, 0
    return (fact.at, 1, -fact.seconds) if fact.seconds is not None else (fact.at, 2 if fact.key else 3, 0)
