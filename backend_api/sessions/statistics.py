"""Arithmetic of time spans: union, clip, bridge, split by local hour and day. Knows no session and no storage.

A span is `(start, end)` in Unix seconds, `start <= end`. Counted spans are whole seconds, so that every way of adding
them up gives the same sum.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

Span = tuple[float, float]
WholeSpan = tuple[int, int]

DURATION_BUCKETS = (30, 60, 300, 600, 1800, 3600, 7200)
"""Upper edges in seconds; the last bucket is open."""


def union(spans: Iterable[Span], *, bridge_seconds: float = 0.0) -> list[Span]:
    """Disjoint spans in order that cover the same time, and also every gap of at most `bridge_seconds`."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] <= bridge_seconds:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def whole(spans: Iterable[Span]) -> list[WholeSpan]:
    """The spans with both ends rounded to the second, joined where they then touch, without those that vanish."""
    rounded = ((round(start), round(end)) for start, end in spans)
    return whole_union((start, end) for start, end in rounded if end > start)


def whole_union(spans: Iterable[WholeSpan]) -> list[WholeSpan]:
    """`union` of whole seconds."""
    return [(int(start), int(end)) for start, end in union(spans)]


def clip(spans: Iterable[WholeSpan], start_at: int, end_at: int) -> list[WholeSpan]:
    """What lies in `start_at..end_at`."""
    clipped = ((max(start, start_at), min(end, end_at)) for start, end in spans)
    return [(start, end) for start, end in clipped if end > start]


def without(spans: Iterable[WholeSpan], covered: Sequence[WholeSpan]) -> list[WholeSpan]:
    """What of the spans is not in `covered` (disjoint and in order)."""
    left = list(spans)
    for begin, finish in covered:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, begin)), (max(start, finish), end))
            if piece[1] > piece[0]
        ]
    return left


def total(spans: Iterable[WholeSpan]) -> int:
    """Seconds, of spans that do not overlap."""
    return sum(end - start for start, end in spans)


def local_midnight(at: float, zone: ZoneInfo) -> int:
    """The start of the local day that `at` lies in."""
    return day_start(datetime.fromtimestamp(at, zone), zone)


def day_start(day: datetime, zone: ZoneInfo) -> int:
    """When the day of this local time starts; where midnight was skipped, the first moment after it."""
    return int(datetime.combine(day.date(), time(), zone).timestamp())


def next_midnight(at: float, zone: ZoneInfo) -> int:
    """The end of the local day that `at` lies in."""
    return day_start(datetime.fromtimestamp(at, zone) + timedelta(days=1), zone)


def next_hour(at: int, zone: ZoneInfo) -> int:
    """The end of the local clock hour that `at` lies in."""
    return hour_start(at, zone) + 3600


def split_days(spans: Iterable[WholeSpan], zone: ZoneInfo) -> Iterator[tuple[str, WholeSpan]]:
    """Each span cut at local midnights, with its date (`2026-11-21`)."""
    for start, end in spans:
        at = start
        while at < end:
            cut = min(next_midnight(at, zone), end)
            yield datetime.fromtimestamp(at, zone).date().isoformat(), (at, cut)
            at = cut


def split_hours(spans: Iterable[WholeSpan], zone: ZoneInfo) -> Iterator[tuple[int, WholeSpan]]:
    """Each span cut at local hours, with the start of its hour."""
    for start, end in spans:
        at = start
        while at < end:
            cut = min(next_hour(at, zone), end)
            yield hour_start(at, zone), (at, cut)
            at = cut


def hour_start(at: int, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(at, zone)
    return at - local.minute * 60 - local.second


def hour_starts(zone: ZoneInfo) -> Callable[[int], int]:
    """`hour_start` in this zone for many moments: a UTC day is looked up once, where the hours keep in step in it."""
    phases: dict[int, int | None] = {}

    def start_of(at: int) -> int:
        day = at // 86_400
        if day not in phases:
            first, last = (phase_of(moment * 86_400, zone) for moment in (day, day + 1))
            phases[day] = first if first == last else None
        phase = phases[day]
        return hour_start(at, zone) if phase is None else at - (at - phase) % 3600

    return start_of


def phase_of(at: float, zone: ZoneInfo) -> int:
    """How many seconds after UTC's hours the local hours begin around then."""
    return hour_start(int(at), zone) % 3600


def per_day(spans: Iterable[WholeSpan], zone: ZoneInfo) -> dict[str, int]:
    """Seconds by local date, in order; days without any are not there."""
    sums: dict[str, int] = {}
    for date, (start, end) in split_days(spans, zone):
        sums[date] = sums.get(date, 0) + end - start
    return dict(sorted(sums.items()))


def per_hour(spans: Iterable[WholeSpan], zone: ZoneInfo) -> dict[int, int]:
    """Seconds by the start of the local hour, in order."""
    sums: dict[int, int] = {}
    for hour, (start, end) in split_hours(spans, zone):
        sums[hour] = sums.get(hour, 0) + end - start
    return dict(sorted(sums.items()))


def bucket_of(seconds: int) -> int:
    """The number of the duration bucket; as many as there are edges for the open one."""
    return next((n for n, edge in enumerate(DURATION_BUCKETS) if seconds < edge), len(DURATION_BUCKETS))
