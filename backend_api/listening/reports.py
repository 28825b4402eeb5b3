"""Figures from counted sessions (CONTRACT §3). Pure: sums over what `rows.counted` gives."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from backend_api.contract.wire import Timestamp, Wire, at
from backend_api.listening.rows import Counted
from backend_api.sessions import statistics

PEAK_HOURS = 3
UNKNOWN = "unknown"


class ListeningTime(Wire):
    """How long a channel was listened to in a period."""

    total_listening_time: str
    total_seconds: int
    total_sessions: int
    unique_listeners: int
    unique_listeners_exact: bool
    average_session_seconds: int
    active_sessions: int


class Hour(Wire):
    """One hour of the range, in order."""

    hour: Timestamp
    listeners: int
    seconds: int
    listener_hours: float


class HourOfDay(Wire):
    """An hour of the day (0-23, local) over the whole range."""

    hour: int
    seconds: int


class Share(Wire):
    """The listeners of one device, country or region."""

    name: str
    listeners: int
    sessions: int
    seconds: int


class Group(Wire):
    """Users, or guests."""

    listeners: int
    sessions: int
    seconds: int


class DurationBucket(Wire):
    """Sessions shorter than `below_seconds`, and no shorter than the bucket before; None is the open end."""

    below_seconds: int | None
    sessions: int


class QualityReport(Wire):
    """How playing went; `average_bitrate` is over the sessions that told one."""

    buffering: int
    reconnects: int
    sessions_with_buffering: int
    average_bitrate: int | None


class ListenersReport(Wire):
    """Who listened in a range, when and with what."""

    total_seconds: int
    total_sessions: int
    unique_listeners: int
    hours: list[Hour]
    peak_hours: list[HourOfDay]
    devices: list[Share]
    countries: list[Share]
    regions: list[Share]
    users: Group
    guests: Group
    durations: list[DurationBucket]
    quality: QualityReport


def in_words(seconds: int) -> str:
    """`5h 32m`."""
    return f"{seconds // 3600}h {seconds % 3600 // 60}m"


def listening_time(total: int, sessions: int, durations: int, people: tuple[int, bool], active: int) -> ListeningTime:
    """`durations` is the sum of the sessions' own lengths; `people` how many, and whether that is exact."""
    return ListeningTime(
        total_listening_time=in_words(total),
        total_seconds=total,
        total_sessions=sessions,
        unique_listeners=people[0],
        unique_listeners_exact=people[1],
        average_session_seconds=round(durations / sessions) if sessions else 0,
        active_sessions=active,
    )


def length_in(some: Counted, start_at: int, end_at: int) -> int:
    """A session's own length within the range, whatever other sessions of the person cover."""
    return statistics.total(statistics.clip(some.row.pieces, start_at, end_at))


def listeners(sessions: Sequence[Counted], zone: ZoneInfo) -> ListenersReport:
    """The report on a range."""
    hours = _hours(sessions, zone)
    return ListenersReport(
        total_seconds=sum(some.seconds for some in sessions),
        total_sessions=len(sessions),
        unique_listeners=len({some.row.person for some in sessions}),
        hours=hours,
        peak_hours=_peaks(hours, zone),
        devices=_shares(sessions, "device"),
        countries=_shares(sessions, "country"),
        regions=_shares(sessions, "region"),
        users=_group(some for some in sessions if "user" in some.row.facts),
        guests=_group(some for some in sessions if "user" not in some.row.facts),
        durations=_durations(sessions),
        quality=_quality(sessions),
    )


def _hours(sessions: Iterable[Counted], zone: ZoneInfo) -> list[Hour]:
    seconds: Counter[int] = Counter()
    people: dict[int, set[str]] = defaultdict(set)
    for some in sessions:
        for hour, (start, end) in statistics.split_hours(some.pieces, zone):
            seconds[hour] += end - start
            people[hour].add(some.row.person)
    return [
        Hour(hour=at(hour), listeners=len(people[hour]), seconds=total, listener_hours=round(total / 3600, 2))
        for hour, total in sorted(seconds.items())
    ]


def _peaks(hours: Iterable[Hour], zone: ZoneInfo) -> list[HourOfDay]:
    seconds: Counter[int] = Counter()
    for hour in hours:
        seconds[datetime.fromtimestamp(hour.hour.timestamp(), zone).hour] += hour.seconds
    best = sorted(seconds.items(), key=lambda pair: (-pair[1], pair[0]))[:PEAK_HOURS]
    return [HourOfDay(hour=hour, seconds=total) for hour, total in best]


def _shares(sessions: Iterable[Counted], fact: str) -> list[Share]:
    groups: dict[str, list[Counted]] = defaultdict(list)
    for some in sessions:
        groups[some.row.facts.get(fact, UNKNOWN)].append(some)
    shares = [Share(name=name, **_group(members).model_dump()) for name, members in groups.items()]
    return sorted(shares, key=lambda share: (-share.seconds, share.name))


def _group(sessions: Iterable[Counted]) -> Group:
    members = list(sessions)
    people = {some.row.person for some in members}
    return Group(listeners=len(people), sessions=len(members), seconds=sum(some.seconds for some in members))


def _durations(sessions: Iterable[Counted]) -> list[DurationBucket]:
    found = Counter(statistics.bucket_of(some.row.seconds) for some in sessions)
    edges: list[int | None] = [*statistics.DURATION_BUCKETS, None]
    return [DurationBucket(below_seconds=edge, sessions=found[number]) for number, edge in enumerate(edges)]


def _quality(sessions: Sequence[Counted]) -> QualityReport:
    bitrates = [some.row.quality.bitrate for some in sessions if some.row.quality.bitrate is not None]
    return QualityReport(
        buffering=_sum(sessions, lambda some: some.row.quality.buffering),
        reconnects=_sum(sessions, lambda some: some.row.quality.reconnects),
        sessions_with_buffering=_sum(sessions, lambda some: some.row.quality.buffering > 0),
        average_bitrate=round(sum(bitrates) / len(bitrates)) if bitrates else None,
    )


def _sum(sessions: Iterable[Counted], of: Callable[[Counted], int]) -> int:
    return sum(map(of, sessions))
