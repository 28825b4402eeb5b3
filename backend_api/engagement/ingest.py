"""Stores a batch so that counters and rollups equal a recount, wherever it is cut off.

Five steps, each an ordinary write: (1) an intent says which hours the batch may change; (2) the ids are taken, of which
one is one event's, of whatever type; (3) the events are inserted by their ids, so that what was there before is told
apart; (4) each track gets what is new, and marks that have its hours recounted (for repetitions too: whoever sent them
first may have been cut off here); (5) the intent goes. One that stays is found by `recovery`, which marks its hours.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex

from backend_api.contract.events import Like, PlayEnd, Rejected
from backend_api.db import Mongo
from backend_api.engagement.documents import RAW_OF, Origin, raw_document
from backend_api.engagement.events import Event
from backend_api.engagement.intents import Intent, Intents, PlayEnded, tracks_of
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
        self._intents = Intents(mongo)
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
                await self._intents.write(_intent(batch, started_at, events.values(), self._retention.calendar))
                if self._now() - started_at > STORING_SECONDS:
                    raise TimeoutError
                outcome = await self._insert(events, origin, started_at)
                changes = await self._changes(outcome, batch)
                today = self._retention.calendar.day_of(started_at)
                await self._tracks.mark(changes, batch, started_at, today)
                await self._intents.remove(batch)
        except TimeoutError:
            raise Unavailable("The batch could not be stored in time.", retry_after_seconds=5) from None
        return outcome

    async def _insert(self, events: Mapping[int, Event], origin: Origin, now: float) -> Outcome:
        outcome = Outcome()
        others = await self._raw.taken({index: (e.id, RAW_OF[type(e.sent)]) for index, e in events.items()}, now)
        outcome.conflicts += [Rejected(index=index, reason="conflict") for index in sorted(others)]
        by_collection: dict[str, list[int]] = defaultdict(list)
        for index, event in events.items():
            if index not in others:
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

    async def _changes(self, outcome: Outcome, batch: str) -> dict[str, Change]:
        calendar = self._retention.calendar
        changes: dict[str, Change] = defaultdict(Change)
        kept = [*outcome.new, *outcome.repeated]
        for event in kept:
            if not isinstance(event.sent, PlayEnd):
                changes[event.sent.track_id].slices.add(calendar.slice_of(event.at))
        for event in outcome.new:
            if event.uncounted is None and not isinstance(event.sent, PlayEnd):
                changes[event.sent.track_id].new[calendar.slot_of(event.at)][counted_as(event)] += 1
        for track, slices in (await self.slices_of_plays(_ended(kept))).items():
            changes[track].slices |= slices
        await self._add_likes(changes, outcome, batch)
        return changes

    async def _add_likes(self, changes: dict[str, Change], outcome: Outcome, batch: str) -> None:
        """What was liked is added at once; only where another batch may have been cut off, likers are counted anew."""
        likes = [event for event in (*outcome.new, *outcome.repeated) if isinstance(event.sent, Like)]
        opinions = [opinion_of(event) for event in likes if not event.uncounted]
        for track, shift in (await self._likes.apply(opinions)).items():
            changes[track].likes = shift
        repeated = {event.sent.track_id for event in outcome.repeated if isinstance(event.sent, Like)}
        if repeated:
            others = tracks_of(intent for intent in await self._intents.all() if intent.batch != batch)
            for track in repeated & others:
                changes[track].recounts_likes = True

    async def slices_of_plays(self, ended: set[PlayEnded]) -> dict[str, set[Slice]]:
        """Where, by track, plays began whose ends have come; only what can still change."""
        first = self._retention.first_open_day(self._now())
        slices: dict[str, set[Slice]] = defaultdict(set)
        for track, started_at in await self._raw.starts_of(ended):
            if (part := self._retention.calendar.slice_of(started_at)).slot.day >= first:
                slices[track].add(part)
        return slices


def counted_as(event: Event) -> str:
    """Which of COUNTED the event adds to."""
    return _ACTIONS.get(getattr(event.sent, "action", "")) or _NAMES[event.sent.type]


def opinion_of(event: Event) -> Opinion:
    liked = isinstance(event.sent, Like) and event.sent.action == "like"
    return Opinion(event.sent.track_id, event.person, event.at, event.id, liked)


def _ended(events: Iterable[Event]) -> set[PlayEnded]:
    return {PlayEnded(e.sent.track_id, e.sent.play_id, e.at) for e in events if isinstance(e.sent, PlayEnd)}


def _intent(batch: str, now: float, events: Iterable[Event], calendar: Calendar) -> Intent:
    several = list(events)
    slots = {(e.sent.track_id, calendar.slot_of(e.at)) for e in several if not isinstance(e.sent, PlayEnd)}
    return Intent(batch, now, frozenset(slots), frozenset(_ended(several)))
