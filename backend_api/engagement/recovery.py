"""Takes up batches that were cut off: marks whatever they may have changed, so that it is recounted."""

from collections import defaultdict
from collections.abc import Callable
from secrets import token_hex

from backend_api.db import Mongo
from backend_api.engagement.ingest import Ingest
from backend_api.engagement.intents import Intent, Intents
from backend_api.engagement.likes import Opinion, TrackLikes, opinion_in
from backend_api.engagement.periods import Calendar, Slot
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.tracks import Change, Tracks

OLD_SECONDS = 120.0
"""An intent of that age belongs to nobody any more: storing a batch gives up long before."""
AGAIN_SECONDS = 3_600.0
"""A process that only slept may insert its batch after all and die before it marks anything: it is taken up again."""
AT_ONCE = 100


class Recovery:
    """`run` takes up every old intent. Doing it twice, or beside a process that is only slow, does no harm."""

    def __init__(self, mongo: Mongo, ingest: Ingest, calendar: Calendar, now: Callable[[], float]) -> None:
        self._intents = Intents(mongo)
        self._ingest = ingest
        self._raw, self._tracks, self._likes = RawEvents(mongo), Tracks(mongo), TrackLikes(mongo)
        self._calendar = calendar
        self._now = now

    async def run(self) -> int:
        """How many batches were taken up."""
        intents = await self._intents.before(self._now() - OLD_SECONDS, AT_ONCE)
        for intent in intents:
            await self._take_up(intent)
            await self._intents.keep(intent.batch, self._now())
        for intent in await self._intents.taken_before(self._now() - AGAIN_SECONDS, AT_ONCE):
            await self._take_up(intent)
            await self._intents.remove(intent.batch)
        return len(intents)

    async def _take_up(self, intent: Intent) -> None:
        changes: dict[str, Change] = defaultdict(Change)
        for track, slot in intent.slots:
            changes[track].hours.add(slot)
        for track, change in changes.items():
            opinions = [opinion for slot in change.hours for opinion in await self._opinions(track, slot)]
            if opinions:
                await self._likes.apply(opinions)
                change.recounts_likes = True
        for track, slices in (await self._ingest.slices_of_plays(set(intent.ends))).items():
            changes[track].slices |= slices
        now = self._now()
        await self._tracks.mark(changes, token_hex(8), now, self._calendar.day_of(now))

    async def _opinions(self, track: str, slot: Slot) -> list[Opinion]:
        likes = await self._raw.likes_of(track, self._calendar.slot_start(slot), self._calendar.slot_end(slot))
        return [opinion_in(like) for like in likes]
