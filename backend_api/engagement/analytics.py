"""From figures to answers: totals, rates, breakdowns, curves, growth (contract, section 6). Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from backend_api.contract.events import (
    Analytics,
    EngagementRates,
    Freshness,
    Growth,
    Metric,
    Overview,
    RecentEvent,
    SeriesPoint,
    TopTrack,
)
from backend_api.contract.wire import at as time_of
from backend_api.engagement.rollups import Figures, Piece, Recent, Sums, ratio

TOP_TRACKS = 5


def analytics(figures: Figures, series: Sequence[SeriesPoint], zone: str, freshness: Freshness) -> Analytics:
    """The whole answer of a track, an artist or everything."""
    sums = figures.sums
    return Analytics(
        total_plays=sums.plays,
        unique_plays=figures.people.number,
        source_breakdown=descending(figures.sources),
        avg_duration=average_duration(sums),
        avg_completion_rate=average_completion(sums),
        skip_rate=ratio(sums.skipped, sums.ended, 4),
        replay_rate=ratio(sums.replayed, sums.plays, 4),
        total_likes=sums.likes,
        total_unlikes=sums.unlikes,
        total_shares=sums.shares,
        platform_breakdown=descending(figures.platforms),
        total_downloads=sums.downloads,
        total_saves=sums.saves,
        country_breakdown=descending(figures.countries),
        series=list(series),
        timezone=zone,
        freshness=freshness,
        exact=figures.people.is_exact,
    )


def overview(figures: Figures, tracks: int) -> Overview:
    sums = figures.sums
    return Overview(
        total_tracks=tracks,
        total_plays=sums.plays,
        total_likes=sums.likes,
        total_shares=sums.shares,
        total_downloads=sums.downloads,
        total_saves=sums.saves,
        unique_listeners=figures.people.number,
        avg_duration=average_duration(sums),
        avg_completion_rate=average_completion(sums),
    )


def rates(sums: Sums) -> EngagementRates:
    """Actions per play."""
    return EngagementRates(
        like_rate=ratio(sums.likes, sums.plays, 4),
        share_rate=ratio(sums.shares, sums.plays, 4),
        save_rate=ratio(sums.saves, sums.plays, 4),
        download_rate=ratio(sums.downloads, sums.plays, 4),
        completion_rate=average_completion(sums),
    )


def growth(current: Sums, previous: Sums | None) -> Growth:
    """(current - previous) / previous; None where the previous period was empty, or there is none."""

    def of(name: str) -> float | None:
        before = 0 if previous is None else getattr(previous, name)
        return ratio(getattr(current, name) - before, before, 4)

    return Growth(plays=of("plays"), likes=of("likes"), shares=of("shares"))


def series(pieces: Iterable[Piece], metric: Metric, steps: Sequence[float]) -> list[SeriesPoint]:
    """The curve of a metric: a point for every step, of what begins in it. `steps` are their starts, ascending."""
    values: Counter[float] = Counter()
    ascending = sorted(pieces, key=lambda piece: piece.start_at)
    place = 0
    for piece in ascending:
        while place + 1 < len(steps) and steps[place + 1] <= piece.start_at:
            place += 1
        values[steps[place]] += getattr(piece.figures.sums, metric)
    return [SeriesPoint(timestamp=time_of(start_at), value=values[start_at]) for start_at in steps]


def top_tracks(figures: Figures, title_of: Callable[[str], str | None]) -> list[TopTrack]:
    return [
        TopTrack(track_id=track, title=title_of(track), total_plays=figures.tracks[track])
        for track in most_played(figures)
    ]


def most_played(figures: Figures) -> list[str]:
    """The tracks played most; of equals the one that comes first by its id."""
    return sorted(figures.tracks, key=lambda track: (-figures.tracks[track], track))[:TOP_TRACKS]


def recent(events: Iterable[Recent], title_of: Callable[[str], str | None]) -> list[RecentEvent]:
    return [
        RecentEvent(
            track_id=event.track_id,
            title=title_of(event.track_id),
            timestamp=time_of(event.at_ms / 1_000),
            source=event.source,
            country=event.country,
        )
        for event in events
    ]


def average_duration(sums: Sums) -> float | None:
    """In seconds, of the plays whose end is known."""
    return ratio(sums.duration_ms / 1_000, sums.ended, 2)


def average_completion(sums: Sums) -> float | None:
    """In per cent, of the plays whose end and track length are known."""
    return ratio(sums.completion_parts / 100, sums.completions, 2)


def descending(breakdown: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(breakdown.items(), key=lambda item: (-item[1], item[0])))
