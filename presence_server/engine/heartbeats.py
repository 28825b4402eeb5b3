"""When sessions are pinged, and which did not answer in time; pure, the time is an argument.

Sessions that came or were pinged together are a round, and stay one for as long as they live: a heartbeat costs each
of them a flag, not a place in a queue. A round is pinged an interval after it was pinged before; a timeout after its
ping, those whose flag still stands are silent.
"""

from collections import deque
from typing import Any, Generic, Protocol, TypeVar


class Beating(Protocol):
    """A session. `awaited` while a ping is unanswered: whoever hears the answer takes it back."""

    awaited: bool
    round: "Round | None"


S = TypeVar("S", bound=Beating)


class Round:
    """Sessions whose heart beats together; `at` is when it last did. `is_late`: they were not pinged again since."""

    __slots__ = ("at", "is_late", "members")

    def __init__(self, at: float, members: set[Any] | None = None) -> None:
        self.at = at
        self.is_late = False
        self.members = set() if members is None else members


class Heartbeats(Generic[S]):
    """The rounds of all sessions; seconds on the caller's clock."""

    def __init__(self, interval_seconds: float, timeout_seconds: float) -> None:
        self._interval = interval_seconds
        self._timeout = timeout_seconds
        self._resting: deque[Round] = deque()  # until their next ping, the first one first
        self._asked: deque[Round] = deque()  # until the timeout of their last ping, the first one first
        self._newest: Round | None = None  # of those that came since the last look

    def add(self, session: S, now: float) -> None:
        """A session's heart begins to beat: its first ping is an interval away."""
        if self._newest is None:
            self._newest = Round(now)
            self._resting.append(self._newest)
        session.round = self._newest
        self._newest.members.add(session)

    def remove(self, session: S) -> None:
        if session.round is not None:
            session.round.members.discard(session)
            session.round = None

    def look(self, now: float) -> tuple[list[S], list[S]]:
        """Whom to ping at this moment, and who did not answer in time; the latter are removed."""
        self._newest = None
        pinged: list[S] = []
        silent: list[S] = []
        while self._asked and self._asked[0].at + self._timeout <= now:
            round_ = self._asked.popleft()
            silent += [session for session in round_.members if session.awaited]
            if round_.is_late:
                pinged += self._beat(self._answered(round_), now)
        for session in silent:
            self.remove(session)
        while self._resting and self._resting[0].at + self._interval <= now:
            round_ = self._resting.popleft()
            pinged += self._beat(round_ if self._timeout <= self._interval else self._answered(round_), now)
        return pinged, silent

    def _beat(self, round_: Round, now: float) -> list[S]:
        if round_.members:
            round_.at = now
            self._resting.append(round_)
            self._asked.append(round_)
        for session in round_.members:
            session.awaited = True
        return list(round_.members)

    def _answered(self, round_: Round) -> Round:
        """Those of a round that have answered, as a round of their own; the others stay behind until their timeout.

        Only where a timeout is longer than an interval: else there are no others by the time of the next ping.
        """
        answered = Round(round_.at, {session for session in round_.members if not session.awaited})
        for session in answered.members:
            session.round = answered
        round_.members -= answered.members
        round_.is_late = True
        return answered
