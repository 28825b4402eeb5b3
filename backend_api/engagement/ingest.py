"""Stores a batch so that counters and rollups equal a recount, wherever it is cut off.

Four steps, each an ordinary write: (1) an intent says which hours the batch may change; (2) the events are inserted by
their ids, so that what was there before is told apart; (3) each track's open days get what is new, and a mark that has
their hours recounted (for repetitions too: whoever sent them first may have been cut off here); (4) the intent goes.
An intent that stays is found by `recovery`, which marks its hours.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex

from backend_api.contract.events import Like, PlayEnd, Rejected
from backend_api.contract.wire import at as time_of
from backend_api.db import Document, Mongo
from backend_api.engagement.documents import INTENTS, RAW_OF, Origin, raw_document
from backend_api.engagement.events import Event
from backend_api.engagement.likes import Opinion, TrackLikes
from backend_api.engagement.periods import Calendar, Slice
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.retention import Retention
from backend_api.engagement.tracks import Change, Tracks
from backend_api.service.errors import Unavailable

STORING_SECONDS = 30.0
"""How long storing a batch may take; far less than the age at which recovery takes up its intent."""

_NAMES = {"play": "plays", "share": "shares", "download": "downloads"}
_ACTIONS = {"like": "likes", "unlike": "unlikes", "save": "saves", "unsave": "unsaves"}


@dataclass
class Outcome:
    """What became of the events of a batch."""

    new: list[Event] = field(default_factory=list)
    repeated: list[Event] = field(default_factory=list)
    """As they are kept: the time, the person and whether they count may not be what this repetition came with."""
    conflicts: list[Rejected] = field(default_factory=list)


class Ingest:
    """Takes batches that have passed the checks of `events`."""

    def __init__(self, mongo: Mongo, retention: Retention, now: Callable[[], float]) -> None:
        self._intents = mongo[INTENTS]
        self._raw, self._tracks, self._likes = RawEvents(mongo), Tracks(mongo), TrackLikes(mongo)
        self._retention = retention
        self._now = now

    async def store(self, events: Mapping[int, Event], origin: Origin) -> Outcome:
        """What is returned is on disk. After PyMongoError or Unavailable the batch is to be sent again."""
        if not events:
            return Outcome()
        batch, started_at = token_hex(8), self._now()
        try:
            async with asyncio.timeout(STORING_SECONDS):
                await self._intents.insert_one(_intent(batch, started_at, events.values(), self._retention.calendar))
                if self._now() - started_at > STORING_SECONDS:
                    raise TimeoutError
                outcome = await self._insert(events, origin, started_at)
                changes = await self._changes(outcome)
                today = self._retention.calendar.day_of(started_at)
                await self._tracks.mark(changes, batch, started_at, today)
                await self._intents.delete_one({"_id": batch})
        except TimeoutError:
            raise Unavailable("The batch could not be stored in time.", retry_after_seconds=5) from None
        return outcome

    async def _insert(self, events: Mapping[int, Event], origin: Origin, now: float) -> Outcome:
        outcome = Outcome()
        by_collection: dict[str, list[int]] = defaultdict(list)
        for index, event in events.items():
            by_collection[RAW_OF[type(event.sent)]].append(index)
        for name, indexes in by_collection.items():
            documents = [raw_document(events[index], origin, now) for index in indexes]
            there = {indexes[place] for place in await self._raw.insert(name, documents)}
            outcome.new += [events[index] for index in indexes if index not in there]
            stored = await self._raw.stored(name, (events[index].id for index in there))
            for index in sorted(there):
                event = events[index]
                kept = stored[event.id]
                if kept.digest == event.digest:
                    outcome.repeated.append(event._replace(**kept._asdict()))
                else:
                    outcome.conflicts.append(Rejected(index=index, reason="conflict"))
        return outcome

    async def _changes(self, outcome: Outcome) -> dict[str, Change]:
        calendar = self._retention.calendar
        changes: dict[str, Change] = defaultdict(Change)
        for event in outcome.new:
            if not isinstance(event.sent, PlayEnd):
                part = calendar.slice_of(event.at)
                changes[event.sent.track_id].slices.add(part)
                if event.uncounted is None:
                    changes[event.sent.track_id].new[part.slot][counted_as(event)] += 1
        for event in outcome.repeated:
            if not isinstance(event.sent, PlayEnd):
                changes[event.sent.track_id].slices.add(calendar.slice_of(event.at))
        kept = [*outcome.new, *outcome.repeated]
        ended = {(e.sent.track_id, e.sent.play_id) for e in kept if isinstance(e.sent, PlayEnd)}
        for track, slices in (await self.slices_of_plays(ended)).items():
            changes[track].slices |= slices
        opinions = [opinion_of(event) for event in kept if isinstance(event.sent, Like) and not event.uncounted]
        shifts = await self._likes.apply(opinions)
        for track in {opinion.track_id for opinion in opinions}:
            changes[track].likes = shifts.get(track, 0)
        return changes

    async def slices_of_plays(self, plays: set[tuple[str, str]]) -> dict[str, set[Slice]]:
        """Where, by track, plays began whose ends have come; only what can still change."""
        first = self._retention.first_open_day(self._now())
        slices: dict[str, set[Slice]] = defaultdict(set)
        for (track, _), starts in (await self._raw.starts_of(plays)).items():
            slices[track] |= {part for part in map(self._retention.calendar.slice_of, starts) if part.slot.day >= first}
        return slices


def counted_as(event: Event) -> str:
    """Which of COUNTED the event adds to."""
    return _ACTIONS.get(getattr(event.sent, "action", "")) or _NAMES[event.sent.type]


def opinion_of(event: Event) -> Opinion:
    liked = isinstance(event.sent, Like) and event.sent.action == "like"
    return Opinion(event.sent.track_id, event.person, event.at, event.id, liked)


def _intent(batch: str, now: float, events: Iterable[Event], calendar: Calendar) -> Document:
    slots, ends = set(), set()
    for event in events:
        if isinstance(event.sent, PlayEnd):
            ends.add((event.sent.track_id, event.sent.play_id))
        else:
            slots.add((event.sent.track_id, calendar.slot_of(event.at)))
    return {
        "_id": batch,
        "at": time_of(now),
        "slots": [[track, slot.day.isoformat(), slot.hour] for track, slot in slots],
        "ends": [list(end) for end in ends],
    }
