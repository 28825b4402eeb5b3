"""The parts of engagement, wired for tests on a database."""

from datetime import UTC
from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from backend_api.contract.events import TrackEntry
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.documents import Origin, indexes
from backend_api.engagement.events import Conditions, Sender, admit, read
from backend_api.engagement.folding import Folder
from backend_api.engagement.foundations import Foundations
from backend_api.engagement.ingest import Ingest
from backend_api.engagement.periods import DAY_SECONDS, Calendar
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.recounting import Recounter
from backend_api.engagement.recovery import Recovery
from backend_api.engagement.retention import Retention
from backend_api.engagement.rolling import Roller
from backend_api.engagement.stats import Stats
from backend_api.engagement.tracks import Tracks

USER = Sender(user_id="u1", is_trusted=False, has_consent=True, is_bot=False)


class House:
    """The parts of engagement, wired; `send` stands for the route."""

    def __init__(self, mongo, clock, *, zone=UTC, raw_days=90):
        self.mongo, self.clock, self.calendar = mongo, clock, Calendar(zone)
        self.retention = Retention(self.calendar, raw_days, 7)
        self.catalogue, self.tracks, self.raw = Catalogue(mongo), Tracks(mongo), RawEvents(mongo)
        self.stats = Stats(mongo, self.calendar)
        self.recounter = Recounter(self.raw, self.calendar, clock)
        self.roller = Roller(self.stats, self.calendar, clock)
        self.ingest = Ingest(mongo, self.retention, clock)
        recovery = Recovery(mongo, self.ingest, self.calendar, clock)
        self.foundations = Foundations(mongo, self.retention, clock)
        registry = CollectorRegistry()
        self.folder = Folder(
            mongo, self.recounter, self.roller, recovery, self.foundations, self.retention, clock, registry
        )

    async def start(self, **artists):
        """The indexes, and tracks by artist: `start(a=["t1", "t2"])`."""
        await self.mongo.ensure(indexes(self.retention.raw_days * DAY_SECONDS, embedded=True))
        for artist, tracks in artists.items():
            await self.start_without_indexes(artist, tracks)
        return self

    async def start_without_indexes(self, artist, tracks):
        entry = TrackEntry(artist_id=artist, title="Title", duration_seconds=180)
        await self.catalogue.put_tracks(dict.fromkeys(tracks, entry))

    async def send(self, *events, sender=USER, sent_at=None, country=None):
        """Accepted, duplicates and rejected of a batch."""
        items = {index: read(event) for index, event in enumerate(events)}
        named = {item.track_id for item in items.values() if not isinstance(item, str)}
        known = await self.catalogue.known(named, self.clock())
        oldest = self.retention.oldest_at(self.clock(), is_guest=sender.user_id is None)
        admitted = admit(items, sender, Conditions(self.clock(), sent_at, oldest, known, False))
        outcome = await self.ingest.store(admitted.events, Origin(user_id=sender.user_id, country=country))
        return SimpleNamespace(
            accepted=len(outcome.new),
            duplicates=len(outcome.repeated),
            rejected=[(r.index, r.reason) for r in (*admitted.rejected, *outcome.conflicts)],
        )

    async def fold(self):
        return await self.folder.fold()

    async def counters(self, track):
        counters, _ = await self.tracks.counters(track)
        return counters.play_count, counters.like_count, counters.share_count, counters.download_count
