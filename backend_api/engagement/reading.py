"""Reads the figures of a range from rollups, and from raw events only what lies in the hour at its edge.

A rolling range ends now: its last piece is the running hour, day or month, which the rollups already hold as far as
`freshness` says. It begins anywhere within an hour; what of that hour lies before is not in it, so that hour is counted
from raw events, and only for tracks that have any in it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from backend_api.contract.events import Freshness, TimeRange
from backend_api.contract.wire import at as time_of
from backend_api.db import Mongo
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.documents import EVERYTHING, GROUP_STATS, TRACK_STATS, Family, artist_group
from backend_api.engagement.intents import Intents
from backend_api.engagement.periods import ROLLING_SECONDS, STEP, Slot, Step, Stretch
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.recounting import NEAR_END_SECONDS
from backend_api.engagement.retention import Retention
from backend_api.engagement.rollups import END_EARLY_SECONDS, Ends, Figures, Piece, Raw, Sums, count
from backend_api.engagement.stats import Stats
from backend_api.engagement.tracks import Tracks

FEW_TRACKS = 2
FEW_PLAYS = 1_000
MANY_EVENTS = 4_000


class Subject(NamedTuple):
    """Whose figures: one track's, an artist's, or everybody's. `titles` are an artist's tracks, once they are known."""

    family: Family
    id: str
    artist: str | None = None
    titles: Mapping[str, str] | None = None


class Found(NamedTuple):
    """A range as it was read: the pieces it is made of and the starts of its curve's steps."""

    pieces: Sequence[Piece]
    steps: Sequence[float]
    edge: Sequence[Piece]
    """What the partial hour at its beginning holds, one piece or none; it is among the pieces, too."""

    @property
    def figures(self) -> Figures:
        return Figures.merged(piece.figures for piece in self.pieces)


def of_track(track: str) -> Subject:
    return Subject(TRACK_STATS, track)


def of_artist(artist: str) -> Subject:
    return Subject(GROUP_STATS, artist_group(artist), artist)


EVERYBODY = Subject(GROUP_STATS, EVERYTHING)


class Reader:
    """Figures of ranges that end now."""

    def __init__(self, mongo: Mongo, stats: Stats, retention: Retention, now: Callable[[], float]) -> None:
        self._raw, self._tracks, self._catalogue = RawEvents(mongo), Tracks(mongo), Catalogue(mongo)
        self._intents, self._stats = Intents(mongo), stats
        self._retention, self._calendar = retention, retention.calendar
        self._now = now

    @property
    def zone(self) -> str:
        """The name of the time zone that the steps of curves are in."""
        return self._calendar.zone

    async def resolve(self, subject: Subject) -> Subject:
        """The same with its tracks, so that they are not asked for again and again."""
        if subject.artist is None or subject.titles is not None:
            return subject
        return subject._replace(titles=await self._catalogue.titles_of(subject.artist))

    async def read(self, subject: Subject, time_range: TimeRange) -> Found:
        """The range up to now. `all` begins with the first month that has anything."""
        now, step = self._now(), STEP[time_range]
        end_at = self._calendar.ceil(now + 1, step)
        if time_range == "all":
            pieces = await self._pieces(subject, Stretch("month", 0, end_at))
            start_at = min((piece.start_at for piece in pieces), default=now)
            return Found(pieces, self._steps(start_at, end_at, step), ())
        start_at = now - ROLLING_SECONDS[time_range]
        stretches = self._calendar.cover(start_at, end_at, step)
        found = [(stretch.grain, await self._pieces(subject, stretch)) for stretch in stretches]
        edge = [piece for grain, pieces in found if grain == "raw" for piece in pieces]
        return Found([piece for _, pieces in found for piece in pieces], self._steps(start_at, end_at, step), edge)

    async def previous(self, subject: Subject, time_range: TimeRange, current: Found) -> Sums | None:
        """The sums of the range of equal length before; the hour between the two is not read from raw again.

        Raw events may be ahead of the rollups, so that nothing is left of them: never less than that.
        """
        if time_range == "all":
            return None
        seconds = ROLLING_SECONDS[time_range]
        border_at = self._now() - seconds
        end_at = self._calendar.ceil(border_at, "hour")
        stretches = self._calendar.cover(border_at - seconds, end_at, "month")
        pieces = [piece for stretch in stretches for piece in await self._pieces(subject, stretch, sums_only=True)]
        together = Sums.total([Sums(), *(piece.figures.sums for piece in pieces)])
        return together.without(Sums.total([Sums(), *(piece.figures.sums for piece in current.edge)]))

    async def freshness(self, subject: Subject) -> Freshness:
        """Since when something waits to be recounted, is being stored or was cut off, and how much is known to wait."""
        tracks = await self._members(subject)
        pending, since_at = await self._tracks.waiting(tracks)
        stored_at = await self._intents.oldest_at(tracks)
        as_of = min(at for at in (since_at, stored_at, self._now()) if at is not None)
        return Freshness(as_of=time_of(as_of), pending_events=pending)

    async def _members(self, subject: Subject) -> list[str] | None:
        """The tracks of a subject; None for all there are."""
        if subject.family is TRACK_STATS:
            return [subject.id]
        return None if subject.artist is None else [*((await self.resolve(subject)).titles or ())]

    async def _pieces(self, subject: Subject, stretch: Stretch, *, sums_only: bool = False) -> Sequence[Piece]:
        if stretch.grain == "raw":
            return await self._edge(subject, stretch)
        if stretch.grain == "hour":
            return await self._stats.hour_pieces(subject.family, subject.id, stretch.start_at, stretch.end_at)
        return await self._stats.pieces(
            subject.family, stretch.grain, subject.id, stretch.start_at, stretch.end_at, sums_only=sums_only
        )

    async def _edge(self, subject: Subject, stretch: Stretch) -> Sequence[Piece]:
        """A part of one hour, from the raw events, unless all of it is empty; where those are gone, the whole hour."""
        slot = self._calendar.slot_of(stretch.start_at)
        hour = await self._stats.hour(subject.family, subject.id, slot)
        if hour.is_empty:
            return ()
        if self._calendar.slot_start(slot) < self._retention.removed_before(self._now()):
            return [Piece(stretch.start_at, hour)]
        events = await self._events(subject, slot, stretch)
        ends = await self._ends(events, stretch)
        if subject.family is TRACK_STATS:
            return [Piece(stretch.start_at, count(events, ends.of))]
        by_track: dict[str, list[Raw]] = defaultdict(list)
        for event in events:
            by_track[event["trackId"]].append(event)
        parts = [count(of, ends.of).of_track(track) for track, of in by_track.items()]
        return [Piece(stretch.start_at, Figures.merged(parts))]

    async def _ends(self, events: Sequence[Raw], stretch: Stretch) -> Ends:
        """Of few plays the ends are looked up; of many those are read that came soon, and the others looked up."""
        plays = [event for event in events if event["type"] == "play"]
        if len(plays) <= FEW_PLAYS:
            return Ends(await self._raw.ends_by_id(plays))
        start_at, end_at = stretch.start_at - END_EARLY_SECONDS, stretch.end_at + NEAR_END_SECONDS
        tracks = {play["trackId"] for play in plays}
        ends = [end for track in tracks for end in await self._raw.ends_between(track, start_at, end_at)]
        near = Ends(ends)
        return Ends([*ends, *await self._raw.ends_by_id(play for play in plays if near.of_visit(play) is None)])

    async def _events(self, subject: Subject, slot: Slot, stretch: Stretch) -> list[Raw]:
        """Of many tracks all at once, by time alone, unless too much else has happened in that hour."""
        tracks = await self._members(subject)
        if tracks is None or len(tracks) > FEW_TRACKS:
            events = await self._raw.all_between(stretch.start_at, stretch.end_at, MANY_EVENTS)
            if events is not None:
                return events if tracks is None else [event for event in events if event["trackId"] in set(tracks)]
        lively = await self._stats.hours_of_tracks(tracks, slot.day, [slot.hour])
        chosen = [track for track, hours in lively.items() if slot.hour in hours]
        return await self._raw.between(chosen, stretch.start_at, stretch.end_at)

    def _steps(self, start_at: float, end_at: float, step: Step) -> list[float]:
        starts = [self._calendar.floor(start_at, step)]
        while (following := self._calendar.ceil(starts[-1] + 1, step)) < end_at:
            starts.append(following)
        return starts
