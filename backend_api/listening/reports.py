"""Figures from sums (CONTRACT §3): listening time and the listeners' report. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from backend_api.contract.wire import Timestamp, Wire, at
from backend_api.listening.tallies import EXACT_UP_TO, KINDS, Portion, Sums, Tally
from backend_api.sessions import statistics
from backend_api.uniques import HASH_SPACE, People

PEAK_HOURS = 3


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
    unique_listeners_exact: bool
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


def listening_time(parts: Sequence[Sums], active: int) -> ListeningTime:
    """What the parts of a period add up to, and how many sessions are on."""
    seconds, sessions = sum(part.seconds for part in parts), sum(part.sessions for part in parts)
    lengths = sum(part.lengths for part in parts)
    people = People.merged((part.people for part in parts), EXACT_UP_TO)
    return ListeningTime(
        total_listening_time=in_words(seconds),
        total_seconds=seconds,
        total_sessions=sessions,
        unique_listeners=people.number,
        unique_listeners_exact=people.is_exact,
        average_session_seconds=round(lengths / sessions) if sessions else 0,
        active_sessions=active,
    )


def listeners(tally: Tally, hours: Iterable[Hour], zone: ZoneInfo) -> ListenersReport:
    """The report on a range: what its stretches add up to, and its hours."""
    users, guests = (_group(tally, tally.portions[("kind", name)]) for name in KINDS)
    shown = list(hours)
    return ListenersReport(
        total_seconds=users.seconds + guests.seconds,
        total_sessions=users.sessions + guests.sessions,
        unique_listeners=tally.number_of(hash_ for name in KINDS for hash_ in tally.portions[("kind", name)].people),
        unique_listeners_exact=tally.bound == HASH_SPACE,
        hours=shown,
        peak_hours=_peaks(shown, zone),
        devices=_shares(tally, "device"),
        countries=_shares(tally, "country"),
        regions=_shares(tally, "region"),
        users=users,
        guests=guests,
        durations=_durations(tally),
        quality=_quality(tally),
    )


def hours_of(quarters: Mapping[int, int], listeners: Mapping[int, int], zone: ZoneInfo) -> list[Hour]:
    """The local hours that somebody listened in, from seconds by quarter of an hour and listeners by hour."""
    start_of = statistics.hour_starts(zone)
    seconds: Counter[int] = Counter()
    for quarter, some in quarters.items():
        seconds[start_of(quarter)] += some
    return [
        Hour(hour=at(hour), listeners=listeners[hour], seconds=total, listener_hours=round(total / 3600, 2))
        for hour, total in sorted(seconds.items())
    ]


def _peaks(hours: Iterable[Hour], zone: ZoneInfo) -> list[HourOfDay]:
    seconds: Counter[int] = Counter()
    for hour in hours:
        seconds[hour.hour.astimezone(zone).hour] += hour.seconds
    best = sorted(seconds.items(), key=lambda pair: (-pair[1], pair[0]))[:PEAK_HOURS]
    return [HourOfDay(hour=hour, seconds=total) for hour, total in best]


def _shares(tally: Tally, wanted: str) -> list[Share]:
    groups = ((name, _group(tally, portion)) for (fact, name), portion in tally.portions.items() if fact == wanted)
    shares = [Share(name=name, **group.model_dump()) for name, group in groups]
    return sorted(shares, key=lambda share: (-share.seconds, share.name))


def _group(tally: Tally, portion: Portion) -> Group:
    return Group(listeners=tally.number_of(portion.people), sessions=portion.sessions, seconds=portion.seconds)


def _durations(tally: Tally) -> list[DurationBucket]:
    edges: list[int | None] = [*statistics.DURATION_BUCKETS, None]
    return [DurationBucket(below_seconds=edge, sessions=n) for edge, n in zip(edges, tally.durations, strict=True)]


def _quality(tally: Tally) -> QualityReport:
    sums = tally.quality
    return QualityReport(
        buffering=sums.buffering,
        reconnects=sums.reconnects,
        sessions_with_buffering=sums.with_buffering,
        average_bitrate=round(sums.bitrates / sums.with_bitrate) if sums.with_bitrate else None,
    )
