"""Lays the provider's stays beside our own sessions of the same user in the same call. Pure.

A stay belongs to the session it overlaps most; where sessions of ours follow each other within it, each has the part
from its start to the next one's. A stay whose end is not told yet counts for what is known of it:

- beside a session of ours that was ended, up to that end, for now: the provider's end replaces it when it comes;
- else up to now while the provider was heard to speak of it lately, and up to that word after that.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backend_api.sessions.statistics import WholeSpan
from backend_api.study.calls import Stay

SLACK_SECONDS = 60.0
"""The provider's stay and ours belong together if they are no further apart than this."""


class Measured(NamedTuple):
    """A session as our own server measured it; `pieces` are what it counts. Active ones have no end.

    `fell_silent`: it is over because nothing was heard of it any more, not because anybody ended it.
    """

    id: str
    user_id: str
    call_id: str
    started_at: float
    ended_at: float | None
    pieces: tuple[WholeSpan, ...]
    fell_silent: bool = False

    @property
    def was_ended(self) -> bool:
        return self.ended_at is not None and not self.fell_silent


class Told(NamedTuple):
    """What counts of a stay, or of a part of it; without an end the user is there. `is_whole`: no end is missing."""

    stay: Stay
    start: float
    end: float | None
    is_whole: bool

    @property
    def is_first(self) -> bool:
        """Whether the stay begins with it."""
        return self.start == self.stay.start


class Matched(NamedTuple):
    """What was told of each session of ours by its id; `alone`: a list for each session that only the provider saw."""

    of_ours: dict[str, list[Told]]
    alone: list[list[Told]]


def match(ours: Sequence[Measured], theirs: Iterable[Stay], now: float) -> Matched:
    """One user in one call; both in order of their start."""
    of_ours: dict[str, list[Told]] = defaultdict(list)
    alone: list[Told] = []
    for stay in theirs:
        owner = _owner_of_open(stay, ours, now) if stay.end is None else _owner(stay, stay.end, ours, now)
        told = _counted(stay, owner, now)
        if owner is None:
            alone.append(told)
            continue
        for session, part in _parts(told, owner, ours, now):
            of_ours[session.id].append(part)
    return Matched(of_ours, list(_groups(alone)))


def end_of(told: Iterable[Told]) -> float | None:
    """The last end; None while the user is there."""
    ends = [one.end for one in told]
    return None if None in ends else max(end for end in ends if end is not None)


def until(end: float | None, now: float) -> float:
    return now if end is None else end


def _counted(stay: Stay, owner: Measured | None, now: float) -> Told:
    if stay.end is not None:
        return Told(stay, stay.start, stay.end, is_whole=True)
    if owner is not None and owner.was_ended and owner.ended_at is not None and owner.ended_at > stay.start:
        return Told(stay, stay.start, owner.ended_at, is_whole=False)
    if stay.is_on(now):
        return Told(stay, stay.start, None, is_whole=True)
    return Told(stay, stay.start, stay.known_until, is_whole=False)


def _owner(stay: Stay, end: float, ours: Iterable[Measured], now: float) -> Measured | None:
    """The session that a stay overlaps most, or is nearest to within the slack."""
    best: tuple[float, Measured] | None = None
    for session in ours:
        overlap = min(end, until(session.ended_at, now)) - max(stay.start, session.started_at)
        if overlap >= -SLACK_SECONDS and (best is None or overlap > best[0]):
            best = (overlap, session)
    return None if best is None else best[1]


def _owner_of_open(stay: Stay, ours: Iterable[Measured], now: float) -> Measured | None:
    """The session during which a stay began that has no end, else the first that begins while it is known to go on."""
    during = [
        session
        for session in ours
        if session.started_at - SLACK_SECONDS <= stay.start <= until(session.ended_at, now) + SLACK_SECONDS
    ]
    if during:
        return min(during, key=lambda session: abs(session.started_at - stay.start))
    known_until = now if stay.is_on(now) else stay.known_until
    return next((session for session in ours if stay.start < session.started_at <= known_until), None)


def _parts(told: Told, owner: Measured, ours: Iterable[Measured], now: float) -> Iterable[tuple[Measured, Told]]:
    """The stay cut where another session of ours begins that follows the one before; sessions side by side cut none."""
    chosen = [owner]
    for session in ours:
        lies_in = session.started_at < until(told.end, now) and until(session.ended_at, now) > told.start
        if lies_in and all(_follow(session, other, now) for other in chosen):
            chosen.append(session)
    chosen.sort(key=lambda session: session.started_at)
    starts = [told.start, *(session.started_at for session in chosen[1:])]
    for session, start, end in zip(chosen, starts, [*starts[1:], told.end], strict=True):
        yield session, told._replace(start=start, end=end)


def _follow(one: Measured, other: Measured, now: float) -> bool:
    first, second = sorted((one, other), key=lambda session: session.started_at)
    return until(first.ended_at, now) <= second.started_at and first.started_at < second.started_at


def _groups(alone: list[Told]) -> Iterable[list[Told]]:
    group: list[Told] = []
    for told in alone:
        end = end_of(group) if group else None
        if group and end is not None and told.start - end > SLACK_SECONDS:
            yield group
            group = []
        group.append(told)
    if group:
        yield group
