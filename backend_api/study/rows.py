"""Study sessions as they are shown: which of the measures counts. Pure.

The provider is believed where it knows the whole stay; else the server's own measure counts; an admin's correction
beats both. Every source stays visible with the difference between the two measures. Where the provider's end is
missing, its measure counts only beside a session of ours that fell silent, if it knows of more than we do.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from backend_api.sessions.statistics import Span, WholeSpan, clip, per_day, total, union, whole, whole_union
from backend_api.study.calls import CallSpan, Stay
from backend_api.study.matching import SLACK_SECONDS, Measured, Told, end_of, match, until

Source = Literal["provider", "server", "manual"]


class Manual(NamedTuple):
    """An admin's or a service's word, given at `at`."""

    seconds: int
    reason: str
    by: str
    at: float


class Row(NamedTuple):
    """One session. `pieces` are what daily hours count: whole seconds, disjoint, in order.

    `is_told`: the provider saw the user in the call, whether or not its measure counts; `told_ids`: the stays of its
    that begin in this session (see `id_of_stay`).
    """

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
    is_told: bool
    told_ids: tuple[str, ...]

    def lies_in(self, start_at: float, end_at: float) -> bool:
        """Whether at least a part of it does; one that goes on has no end yet."""
        return self.joined_at < end_at and (self.left_at is None or self.left_at >= start_at)


def rows(
    measured: Iterable[Measured], calls: Mapping[str, Iterable[Stay]], manual: Mapping[str, Manual], now: float
) -> list[Row]:
    """One row for each session of ours and for each stretch that only the provider knows, newest first.

    `calls` are the provider's stays by the call's short id.
    """
    ours: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for session in measured:
        ours[session.user_id, session.call_id].append(session)
    theirs: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    for call_id, known in calls.items():
        for stay in known:
            theirs[stay.user_id, call_id].append(stay)
    found: list[Row] = []
    for key in ours.keys() | theirs.keys():
        mine = sorted(ours[key], key=lambda session: (session.started_at, session.id))
        found += _of_one(key, mine, sorted(theirs[key], key=lambda stay: (stay.start, stay.key)), manual, now)
    return sorted(found, key=lambda row: (-row.joined_at, row.id))


def call_spans(told: Iterable[CallSpan], known: Iterable[Row], now: float) -> list[WholeSpan]:
    """When a call was on: by the provider where it says so, else while anybody was in it; a call may be held again."""
    theirs: list[Span] = [(start, until(end, now)) for start, end in told]
    ours: list[Span] = [piece for row in known for piece in row.pieces]
    return whole(union(theirs)) if theirs else whole(union(ours, bridge_seconds=SLACK_SECONDS))


def is_on(told: Sequence[CallSpan], present: Iterable[Row]) -> bool:
    """Whether a call is on: by the provider where it says so, else while anybody is in it."""
    return any(end is None for _, end in told) if told else any(row.left_at is None for row in present)


def within(row: Row, spans: Iterable[WholeSpan], now: float) -> list[WholeSpan]:
    """The spans of the call that a session lies in, at least in part."""
    return [span for span in spans if row.joined_at <= span[1] and until(row.left_at, now) >= span[0]]


def taking_part(known: Sequence[Row], told: Sequence[CallSpan], now: float) -> list[Row]:
    """The sessions of those who were in the call: whom the provider lists, where it lists anybody, else who says so."""
    spans = call_spans(told, known, now)
    listed = {span for row in known if row.is_told for span in within(row, spans, now)}
    is_known = bool(told) or any(row.is_told for row in known)

    def is_heeded(row: Row) -> bool:
        lies_in = within(row, spans, now)
        return listed.isdisjoint(lies_in) and (bool(lies_in) or not is_known)

    return [row for row in known if row.is_told or is_heeded(row)]


def hours_by_day(known: Iterable[Row], start_at: int, end_at: int, zone: ZoneInfo) -> dict[str, int]:
    """Seconds in the range by local date; two calls at once count once."""
    return per_day(clip(whole_union(piece for row in known for piece in row.pieces), start_at, end_at), zone)


def id_of_stay(call_id: str, stay: Stay) -> str:
    """The id of a session that only the provider knows, by the connection of its first stay.

    A correction stays with that connection, whatever more is heard of it.
    """
    name = f"{stay.user_id}|{call_id}|{stay.key}|{stay.number}"
    return "p-" + hashlib.sha256(name.encode()).hexdigest()[:24]


def _of_one(
    key: tuple[str, str], ours: list[Measured], theirs: list[Stay], manual: Mapping[str, Manual], now: float
) -> list[Row]:
    user_id, call_id = key
    matched = match(ours, theirs, now)
    found = [_row(session, matched.of_ours.get(session.id, []), manual, now) for session in ours]
    for group in matched.alone:
        session = Measured(id_of_stay(call_id, group[0].stay), user_id, call_id, group[0].start, end_of(group), ())
        found.append(_row(session, group, manual, now, is_ours=False))
    return found


def _row(
    session: Measured, told: list[Told], corrections: Mapping[str, Manual], now: float, *, is_ours: bool = True
) -> Row:
    told_ids = tuple(id_of_stay(session.call_id, one.stay) for one in told if one.is_first)
    heard = tuple(whole(union((one.start, until(one.end, now)) for one in told)))
    is_theirs = not is_ours or _is_believed(session, told, total(heard))
    ends = [session.ended_at, *(one.end for one in told)]
    pieces = heard if is_theirs else session.pieces
    measured = Row(
        id=session.id,
        user_id=session.user_id,
        call_id=session.call_id,
        joined_at=min([session.started_at, *(one.start for one in told)]),
        left_at=None if None in ends else max(end for end in ends if end is not None),
        source="provider" if is_theirs else "server",
        seconds=total(pieces),
        provider_seconds=total(heard) if is_theirs else None,
        server_seconds=total(session.pieces) if is_ours else None,
        manual=None,
        pieces=pieces,
        is_told=bool(told),
        told_ids=told_ids,
    )
    words = [corrections[one] for one in (session.id, *told_ids) if one in corrections]
    manual = max(words, key=lambda word: word.at, default=None)
    return measured if manual is None else _corrected(measured, manual)


def _is_believed(session: Measured, told: list[Told], seconds: int) -> bool:
    """Whether the provider's measure counts for a session of ours."""
    if all(one.is_whole for one in told):
        return bool(told)
    return not session.was_ended and seconds > total(session.pieces)


def _corrected(row: Row, manual: Manual) -> Row:
    """From the start on for so long, whatever was measured."""
    start, end = round(row.joined_at), round(row.joined_at) + manual.seconds
    return row._replace(
        source="manual",
        seconds=manual.seconds,
        manual=manual,
        pieces=((start, end),) if manual.seconds > 0 else (),
        left_at=None if row.left_at is None else row.joined_at + manual.seconds,
    )
