"""What the provider said about one session of a call, as sets of facts, and the stays they add up to. Pure.

Facts are only ever added, and stays are read from all of them at once: neither order nor number of the messages can
change the result. A `left` closes what was joined before it and nothing that was joined later. A stay whose `left` was
never heard of is believed for as long as the provider was heard to speak of it lately, and never for more than a day.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backend_api.contract.sessions import TIMINGS

LONGEST_SECONDS = TIMINGS["study"].max_seconds or 0.0
"""No session lasts longer, as far as we measure it; what the provider left open is not believed for longer."""
BELIEVED_SECONDS = 3_600.0
"""For so long a word of the provider's that somebody is there stands without another; it is asked far more often."""
TOLD_WITHIN_SECONDS = 600.0
"""A session of ours is known to the provider if it tells of a stay in the session's last minutes."""
SAME_SECONDS = 60.0
"""Two accounts of one stay agree on its start as well as this."""

UNNAMED = "day:"
"""So begin the names that we give to sessions of which the provider gave none."""

CallSpan = tuple[float, float | None]
"""When a call was on; without an end it still is."""


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


class Seen(NamedTuple):
    """Asked at `at`, the provider said that this connection was there; with neither key nor user: that the call was."""

    key: str
    user_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything heard of one session of a call. `opened` and `closed` are when it began and ended."""

    joined: frozenset[Joined] = frozenset()
    left: frozenset[Left] = frozenset()
    opened: frozenset[float] = frozenset()
    closed: frozenset[float] = frozenset()
    seen: frozenset[Seen] = frozenset()

    def merge(self, *others: "Facts") -> "Facts":
        every = (self, *others)
        return Facts(
            frozenset().union(*(facts.joined for facts in every)),
            frozenset().union(*(facts.left for facts in every)),
            frozenset().union(*(facts.opened for facts in every)),
            frozenset().union(*(facts.closed for facts in every)),
            _latest(fact for facts in every for fact in facts.seen),
        )

    @property
    def users(self) -> frozenset[str]:
        return frozenset(fact.user_id for fact in self.joined) | frozenset(fact.user_id for fact in self.left)

    def of(self, user_id: str) -> "Facts":
        """What concerns one user, and the call as a whole."""
        return Facts(
            frozenset(fact for fact in self.joined if fact.user_id == user_id),
            frozenset(fact for fact in self.left if fact.user_id == user_id),
            self.opened,
            self.closed,
            frozenset(fact for fact in self.seen if fact.user_id in (user_id, "")),
        )

    def seen_at(self, now: float) -> "Facts":
        """The same as the provider's answer of this moment: what has no end in it goes on."""
        left = {(fact.key, fact.user_id) for fact in self.left}
        there = {Seen(fact.key, fact.user_id, now) for fact in self.joined if (fact.key, fact.user_id) not in left}
        call = {Seen("", "", now)} if self.opened and not self.closed else set()
        return self.merge(Facts(seen=frozenset(there | call)))


class Expected(NamedTuple):
    """A session of ours in the call: the provider should know of it. `end` is its start while it lasts."""

    session_id: str
    user_id: str
    start: float
    end: float


class Stay(NamedTuple):
    """A stretch that a user spent in a call: the `number`th of one connection of theirs.

    Without an end nobody has told us of it; the provider spoke of it at `heard_at` for the last time.
    """

    user_id: str
    start: float
    end: float | None
    key: str = ""
    number: int = 0
    heard_at: float = 0.0

    def is_on(self, now: float) -> bool:
        """Whether the user may be believed to be there still."""
        return self.end is None and now - self.heard_at <= BELIEVED_SECONDS and now - self.start <= LONGEST_SECONDS

    @property
    def known_until(self) -> float:
        """The last moment at which the user is known to have been there."""
        return self.end if self.end is not None else min(self.heard_at, self.start + LONGEST_SECONDS)


def stays(facts: Facts) -> list[Stay]:
    """All stays of all users, in order of their start."""
    heard: dict[tuple[str, str], list[Joined | Left]] = defaultdict(list)
    told: list[Joined | Left] = [*facts.joined, *facts.left]
    for fact in told:
        heard[fact.user_id, fact.key].append(fact)
    closed = sorted(facts.closed)
    seen = {(fact.user_id, fact.key): fact.at for fact in facts.seen}
    found: list[Stay] = []
    for of, about in heard.items():
        for number, (start, end) in enumerate(_connection(about, closed)):
            last = max(start, seen.get(of, start)) if end is None else end
            found.append(Stay(of[0], start, end, of[1], number, last))
    return sorted(found, key=lambda stay: (stay.start, stay.user_id, stay.end or float("inf"), stay.key))


def stays_in(sessions: Iterable[Facts]) -> list[Stay]:
    """The stays in several sessions of a call, or in what was heard of one without its name and under it.

    What has no end in the one may have been told in the other.
    """
    found = [(number, stay) for number, facts in enumerate(sessions) for stay in stays(facts)]
    ended = [(number, stay) for number, stay in found if stay.end is not None]
    return [
        stay
        for number, stay in found
        if stay.end is not None
        or not any(
            other.user_id == stay.user_id and elsewhere != number and abs(other.start - stay.start) <= SAME_SECONDS
            for elsewhere, other in ended
        )
    ]


def spans_of_call(facts: Facts, now: float) -> list[CallSpan]:
    """When the call was on: each opening to the first closing after it; an opening while it is on changes nothing.

    Of a closing that was never heard of, the last thing heard is the end once it is too long ago. An opening of which
    nothing more was ever heard is then no measure.
    """
    spans = _spans(facts)
    if not spans or spans[-1][1] is not None:
        return spans
    start = spans[-1][0]
    told: list[Joined | Left | Seen] = [*facts.joined, *facts.left, *facts.seen]
    heard_at = max([start, *facts.opened, *(fact.at for fact in told)])
    if now - heard_at <= BELIEVED_SECONDS:
        return spans
    return [*spans[:-1], (start, heard_at)] if heard_at > start else spans[:-1]


def is_open(facts: Facts, found: Iterable[Stay]) -> bool:
    """Whether something began whose end nobody has told us. `found` are the stays in these facts."""
    return any(stay.end is None for stay in found) or any(end is None for _, end in _spans(facts))


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


def _spans(facts: Facts) -> list[CallSpan]:
    spans: list[CallSpan] = []
    for at, closes in sorted([(at, False) for at in facts.opened] + [(at, True) for at in facts.closed]):
        is_on = bool(spans) and spans[-1][1] is None
        if closes and is_on:
            spans[-1] = (spans[-1][0], at)
        elif not closes and not is_on:
            spans.append((at, None))
    return spans


def _connection(told: Iterable[Joined | Left], closed: Sequence[float]) -> Iterable[tuple[float, float | None]]:
    start: float | None = None
    for fact in sorted(told, key=_moment):
        closing = None if start is None else _closing(closed, start)
        if start is not None and closing is not None and closing < fact.at:
            yield start, closing
            start = None
        if isinstance(fact, Joined):
            start = fact.at if start is None else start
        elif start is not None:
            yield start, fact.at if fact.seconds is None else min(start + fact.seconds, fact.at + 1)
            start = None
        elif fact.seconds:  # the join was never heard of, but the provider knows how long it was ago
            yield fact.at - fact.seconds, fact.at
    if start is not None:
        yield start, _closing(closed, start)


def _closing(closed: Sequence[float], start: float) -> float | None:
    """The call's end that ends a stay; not the end of another session that was held a day later."""
    at = bisect_left(closed, start)
    return closed[at] if at < len(closed) and closed[at] - start <= LONGEST_SECONDS else None


def _moment(fact: Joined | Left) -> tuple[float, int, int]:
    """Of one moment: the join first, then the `left` that knows a duration."""
    if isinstance(fact, Joined):
        return fact.at, 0, 0
    return (fact.at, 1, -fact.seconds) if fact.seconds is not None else (fact.at, 2, 0)


def _latest(seen: Iterable[Seen]) -> frozenset[Seen]:
    newest: dict[tuple[str, str], Seen] = {}
    for one in seen:
        newest[one.key, one.user_id] = max(one, newest.get((one.key, one.user_id), one))
    return frozenset(newest.values())
