"""Study sessions as they are shown: the provider's stays laid beside ours, and which of the measures counts. Pure.

The provider is believed where it knows the stay; else the server's own measure counts; an admin's correction beats
both. Every source stays visible with the difference between the two measures.

A stay whose end is not told yet counts up to now, with two exceptions, until the end comes: beside a session of ours
that was ended on purpose ours stands, and one that is open for longer than a session may last is no measure at all.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from backend_api.contract.sessions import TIMINGS
from backend_api.sessions.statistics import Span, WholeSpan, clip, per_day, total, union, whole, whole_union
from backend_api.study.calls import Facts, Stay, spans_of_call, stays

Source = Literal["provider", "server", "manual"]

LONGEST_SECONDS = TIMINGS["study"].max_seconds or 0.0
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


class Manual(NamedTuple):
    """An admin's or a service's word."""

    seconds: int
    reason: str
    by: str
    at: float


class Row(NamedTuple):
    """One session. `pieces` are what daily hours count: whole seconds, disjoint, in order."""

    id: str
    user_id: str
    call_id: str
    joined_at: float
    left_at: float | None
    source: Source
    seconds: int
    provider_seconds: int | None
    server_seconds: int | None
    manual: Manual | None
    pieces: tuple[WholeSpan, ...]

    def until(self, now: float) -> float:
        """When the session, or what is counted of it, is over: a correction may make it longer."""
        left_at = now if self.left_at is None else self.left_at
        return max([left_at, *(end for _, end in self.pieces)])


def rows(
    measured: Iterable[Measured], calls: Mapping[str, Facts], manual: Mapping[str, Manual], now: float
) -> list[Row]:
    """One row for each session of ours and for each stay that only the provider knows, newest first."""
    ours: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for session in measured:
        ours[session.user_id, session.call_id].append(session)
    theirs: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    for call_id, facts in calls.items():
        for stay in stays(facts):
            theirs[stay.user_id, call_id].append(stay)
    found: list[Row] = []
    for key in ours.keys() | theirs.keys():
        found += _of_one(key, sorted(ours[key], key=lambda session: session.started_at), theirs[key], manual, now)
    return sorted(found, key=lambda row: (-row.joined_at, row.id))


def call_spans(facts: Facts, known: Iterable[Row], now: float) -> list[WholeSpan]:
    """When a call was on: by the provider where it says so, else while anybody was in it; a call may be held again."""
    told: list[Span] = [(start, now if end is None else end) for start, end in _told(facts, now)]
    ours: list[Span] = [piece for row in known for piece in row.pieces]
    return whole(union(told)) if told else whole(union(ours, bridge_seconds=SLACK_SECONDS))


def is_on(facts: Facts, present: Iterable[Row], now: float) -> bool:
    """Whether a call is on: by the provider where it says so, else while anybody is in it."""
    told = _told(facts, now)
    return told[-1][1] is None if told else any(row.left_at is None for row in present)


def within(row: Row, spans: Iterable[WholeSpan], now: float) -> list[WholeSpan]:
    """The spans of the call that a session lies in, at least in part."""
    return [span for span in spans if row.joined_at <= span[1] and (row.left_at or now) >= span[0]]


def hours_by_day(known: Iterable[Row], start_at: int, end_at: int, zone: ZoneInfo) -> dict[str, int]:
    """Seconds in the range by local date; two calls at once count once."""
    return per_day(clip(whole_union(piece for row in known for piece in row.pieces), start_at, end_at), zone)


def _of_one(
    key: tuple[str, str], ours: list[Measured], theirs: list[Stay], manual: Mapping[str, Manual], now: float
) -> list[Row]:
    user_id, call_id = key
    matched: dict[str, list[Stay]] = defaultdict(list)
    alone: list[Stay] = []
    for stay in theirs:
        owner = _owner(stay, ours, now)
        (alone if owner is None else matched[owner.id]).append(stay)
    found = [_row(session, matched[session.id], manual, now) for session in ours]
    for group in _groups(alone, now):
        session = Measured(id_of_stay(call_id, group[0]), user_id, call_id, group[0].start, None, ())
        found.append(_row(session, group, manual, now, is_ours=False))
    return found


def _row(
    session: Measured, provided: list[Stay], corrections: Mapping[str, Manual], now: float, *, is_ours: bool = True
) -> Row:
    manual = _newest(corrections, [session.id, *(id_of_stay(session.call_id, stay) for stay in provided)])
    provided = [stay for stay in provided if _counts(stay, session, now)]
    heard = tuple(whole(union((stay.start, now if stay.end is None else stay.end) for stay in provided)))
    pieces = heard if provided else session.pieces
    source: Source = "provider" if provided or not is_ours else "server"
    seconds = total(pieces)
    if manual is not None:
        source, seconds = "manual", manual.seconds
        start = round(session.started_at)
        pieces = ((start, start + seconds),) if seconds > 0 else ()
    ends = [*([session.ended_at] if is_ours else []), *(stay.end for stay in provided)]
    known = [end for end in ends if end is not None]
    return Row(
        id=session.id,
        user_id=session.user_id,
        call_id=session.call_id,
        joined_at=min([session.started_at, *(stay.start for stay in provided)]),
        left_at=max(known, default=session.started_at) if len(known) == len(ends) else None,
        source=source,
        seconds=seconds,
        provider_seconds=total(heard) if provided or not is_ours else None,
        server_seconds=total(session.pieces) if is_ours else None,
        manual=manual,
        pieces=pieces,
    )


def _counts(stay: Stay, session: Measured, now: float) -> bool:
    """Whether a stay that belongs to this session is a measure of it."""
    if stay.end is not None or _is_lost(stay.start, stay.end, now):
        return stay.end is not None
    return session.ended_at is None or session.fell_silent or stay.start > session.ended_at


def _is_lost(start: float, end: float | None, now: float) -> bool:
    """Whether something began whose end nobody will tell any more."""
    return end is None and now - start > LONGEST_SECONDS


def _owner(stay: Stay, ours: list[Measured], now: float) -> Measured | None:
    """The session of ours that a stay overlaps most, or is nearest to within the slack; of an open stay the first."""
    best: tuple[float, Measured] | None = None
    for session in ours:
        overlap = min(_until(stay.end, now), _until(session.ended_at, now)) - max(stay.start, session.started_at)
        if overlap >= -SLACK_SECONDS and (best is None or (overlap > best[0] and stay.end is not None)):
            best = (overlap, session)
    return None if best is None else best[1]


def _groups(alone: list[Stay], now: float) -> Iterable[list[Stay]]:
    group: list[Stay] = []
    for stay in alone:
        end = _end(group, now) if group else None
        if group and end is not None and stay.start - end > SLACK_SECONDS:
            yield group
            group = []
        group.append(stay)
    if group:
        yield group


def _end(group: list[Stay], now: float) -> float | None:
    ends = [stay.start if _is_lost(stay.start, stay.end, now) else stay.end for stay in group]
    known = [end for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None


def _told(facts: Facts, now: float) -> list[tuple[float, float | None]]:
    return [span for span in spans_of_call(facts) if not _is_lost(*span, now)]


def _until(end: float | None, now: float) -> float:
    return now if end is None else end


def id_of_stay(call_id: str, stay: Stay) -> str:
    """The id of a session that only the provider knows, by its first stay; a correction stays with that stay."""
    return "p-" + hashlib.sha256(f"{stay.user_id}|{call_id}|{stay.start}".encode()).hexdigest()[:24]


def _newest(corrections: Mapping[str, Manual], ids: Iterable[str]) -> Manual | None:
    return max((corrections[one] for one in ids if one in corrections), key=lambda manual: manual.at, default=None)
