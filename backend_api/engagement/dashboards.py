"""The answers for admins and artists, put together from what the reader finds."""

from backend_api.contract.events import (
    Analytics,
    Dashboard,
    Metric,
    PlaylistSummary,
    Profile,
    RecentActivity,
    TimeRange,
)
from backend_api.engagement.analytics import analytics, growth, overview, rates, recent, series, top_tracks
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.foundations import Foundations
from backend_api.engagement.reading import Reader, Subject, of_artist

MAX_PLAYLISTS = 100


class Dashboards:
    """Reads and presents; computes nothing itself."""

    def __init__(self, reader: Reader, catalogue: Catalogue, foundations: Foundations) -> None:
        self._reader = reader
        self._catalogue, self._foundations = catalogue, foundations

    async def analytics(self, subject: Subject, time_range: TimeRange, metric: Metric) -> Analytics:
        """Freshness is read first: what came since may be in the figures, but nothing it promises is missing."""
        await self._foundations.refresh()
        subject = await self._reader.resolve(subject)
        freshness = await self._reader.freshness(subject)
        found = await self._reader.read(subject, time_range)
        curve = series(found.pieces, metric, found.steps)
        return analytics(found.figures, curve, self._reader.zone, freshness)

    async def dashboard(self, artist: str, time_range: TimeRange) -> Dashboard:
        """Everything of one artist."""
        await self._foundations.refresh()
        subject = await self._reader.resolve(of_artist(artist))
        titles = subject.titles or {}
        freshness = await self._reader.freshness(subject)
        found = await self._reader.read(subject, time_range)
        previous = await self._reader.previous(subject, time_range, found)
        figures = found.figures
        profile = await self._catalogue.artist(artist)
        playlists = await self._catalogue.playlists_of(artist, MAX_PLAYLISTS)
        return Dashboard(
            overview=overview(figures, len(titles)),
            artist=Profile(
                artist_id=artist, name=getattr(profile, "name", None), image=getattr(profile, "image", None)
            ),
            recent_activity=RecentActivity(
                plays=recent(figures.last_plays, titles.get), likes=recent(figures.last_likes, titles.get)
            ),
            top_tracks=top_tracks(figures, titles.get),
            engagement=rates(figures.sums),
            playlists=[PlaylistSummary(playlist_id=p.id, title=p.title, total_tracks=p.tracks) for p in playlists],
            growth=growth(figures.sums, previous),
            series=series(found.pieces, "plays", found.steps),
            timezone=self._reader.zone,
            freshness=freshness,
            exact=figures.people.is_exact,
        )
