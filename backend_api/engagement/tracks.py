"""The document of each track: its totals, and what is open of it until it has been recounted (see `buckets`).

Every change here is one update of one document. What is pending is dropped only together with setting the recounted
total, and only if the mark is the one seen before recounting: whoever stored something since has changed it.
"""

from collections import defaultdict
from collections.abc import Collection as Several
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from secrets import token_hex

from pymongo import UpdateOne

from backend_api.contract.events import Counters
from backend_api.db import Document, Mongo
from backend_api.engagement.buckets import (
    DayClosing,
    OpenTrack,
    Totals,
    closing,
    day_of,
    is_busy,
    open_track,
    settling,
    total,
)
from backend_api.engagement.documents import COUNTED, TRACKS, WHOLE, day_bucket, hour_bucket, hour_key
from backend_api.engagement.periods import Slice, Slot
from backend_api.engagement.raw import chunks

DAYS_PER_UPDATE = 31
"""The embedded database is quadratic in the fields of one update."""
FEW_TRACKS, MANY_DIRTY = 10, 1_000
"""Of few tracks the documents are looked at, else those of all tracks that wait, if these are not too many."""
TRIES = 3
"""How often closing is tried while batches come in between."""

_DIRTY: Document = {"dirty": {"$gt": 0}}
_COUNTING = {"artistId": 1, "formerArtists": 1, "open": 1, "days": 1, "hours": 1, "closings": 1, "likes": 1, "moved": 1}


@dataclass
class Change:
    """What a batch does to one track: hours or slices to recount, what is new until then, likers gained or lost."""

    slices: set[Slice] = field(default_factory=set)
    hours: set[Slot] = field(default_factory=set)
    new: dict[Slot, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    likes: int | None = None
    recounts_likes: bool = False


class Tracks:
    """The tracks' counting half; their names are the catalogue's."""

    def __init__(self, mongo: Mongo) -> None:
        self._collection = mongo[TRACKS]

    async def mark(self, changes: Mapping[str, Change], mark: str, now: float, today: date) -> None:
        """Opens what the changes name, with what is pending in it."""
        updates = [UpdateOne({"_id": track}, _opening(change, mark, now, today)) for track, change in changes.items()]
        if updates:
            await self._collection.bulk_write(updates, ordered=False)

    async def reopen(self, tracks: Iterable[str], days: Iterable[date], now: float) -> None:
        """Has every hour of these days recounted."""
        wanted, ids, mark = [day_bucket(day) for day in days], list(tracks), token_hex(8)
        for first in range(0, len(wanted), DAYS_PER_UPDATE):
            opened: Document = {}
            since: Document = {"dirty": now}
            for day in wanted[first : first + DAYS_PER_UPDATE]:
                opened |= {f"open.{day}.m": mark, f"open.{day}.all": True}
                since[f"open.{day}.at"] = now
            change = {"$set": opened, "$min": since}
            for some in chunks(ids):
                updates = [UpdateOne({"_id": track}, change) for track in some]
                await self._collection.bulk_write(updates, ordered=False)

    async def regroup(self, track: OpenTrack, first: date, now: float) -> None:
        """Has the days of a track that has moved recounted, from `first` on, and so its artists' figures made anew."""
        days = {day_of(bucket) for bucket in (*track.days, *track.hours, *track.buckets)}
        await self.reopen([track.track_id], sorted(day for day in days if day >= first), now)
        await self._collection.update_one({"_id": track.track_id, "moved": track.moved}, {"$unset": {"moved": ""}})

    async def open_ids(self, limit: int) -> list[str]:
        """Tracks of which something is open; first those that were left alone longest."""
        found = self._collection.find(_DIRTY, {"_id": 1}).sort("dirty", 1).limit(limit)
        return [document["_id"] for document in await found.to_list(None)]

    async def open_ones(self, tracks: Iterable[str]) -> list[OpenTrack]:
        """These tracks, as far as something is open of them."""
        found: list[OpenTrack] = []
        for some in chunks(tracks):
            cursor = self._collection.find({"_id": {"$in": some}} | _DIRTY, _COUNTING)
            found += [open_track(document) for document in await cursor.to_list(None)]
        return found

    async def fold(
        self, track: OpenTrack, days: Sequence[DayClosing], now: float
    ) -> tuple[OpenTrack, list[DayClosing]]:
        """Closes what nobody has marked since `track` was read: the track as it is then, and what was closed.

        Where another process has closed something meanwhile, the days are reopened: what was written of them here may
        be older than what that one wrote.
        """
        closed: list[DayClosing] = []
        for first in range(0, len(days), DAYS_PER_UPDATE):
            wanted: Sequence[DayClosing] = days[first : first + DAYS_PER_UPDATE]
            for _ in range(TRIES):
                if not wanted:
                    break
                if (await self._collection.update_one(*closing(track, wanted))).matched_count:
                    track = track._replace(closings=(track.closings or 0) + 1)
                    closed += wanted
                    break
                if (newer := await self._read(track.track_id)).closings != track.closings:
                    await self.reopen([track.track_id], [day.day for day in days], now)
                    return track, closed
                wanted = [left for day in wanted if (left := day.unchanged(track, newer))]
        return track, closed

    async def fold_likes(self, track: OpenTrack, likers: int) -> None:
        """Sets how many people like the track, if nothing has changed since it was read."""
        seen = {"_id": track.track_id, "likes.m": track.likes_mark, "likes.v": track.likes_version}
        change = {"$set": {"likes.value": likers}, "$unset": {"likes.m": ""}}
        await self._collection.update_one(seen, change)

    async def leave(self, tracks: Several[str], now: float) -> None:
        """No longer looks at tracks of which nothing is open; at the others when all that wait have had their turn."""
        quiet: Document = {"open": {"$in": [{}, None]}, "likes.m": None, "moved": None}
        updates = [UpdateOne({"_id": track} | quiet, {"$unset": {"dirty": ""}}) for track in tracks]
        updates += [UpdateOne({"_id": track} | _DIRTY, {"$set": {"dirty": now}}) for track in tracks]
        if updates:
            await self._collection.bulk_write(updates)

    async def settle(self, today: date, sealed_before: date) -> None:
        """Keeps days as one total which traffic has left, and adds up those that can change no more."""
        async for document in self._collection.find({}, _COUNTING):
            if (update := settling(open_track(document), today, sealed_before)) is not None:
                await self._collection.update_one(*update)

    async def counters(self, track: str) -> tuple[Counters, bool] | None:
        """The counters, and whether something in them is still to be recounted; None for an unknown track."""
        document = await self._collection.find_one({"_id": track}, _COUNTING | {"sealed": 1})
        if document is None:
            return None
        return _counters(document), bool(document.get("open")) or "m" in document.get("likes", {})

    async def totals_before(self, track: str, day: date) -> Totals:
        """What a track had before a day: what is sealed, and what soon will be."""
        document = await self._collection.find_one({"_id": track}, {"sealed": 1, "days": 1}) or {}
        older = [tuple(totals) for name, totals in document.get("days", {}).items() if name < day_bucket(day)]
        return total([_sealed(document), *older])

    async def waiting(self, tracks: Several[str] | None) -> tuple[int, float | None]:
        """How many events of these tracks (None: of all) are pending, and since when the first one is."""
        few = tracks is not None and len(tracks) <= FEW_TRACKS
        found = [] if few else await self._collection.find(_DIRTY, {"open": 1}).limit(MANY_DIRTY).to_list(None)
        if tracks is not None and (few or len(found) == MANY_DIRTY):
            found = []
            for some in chunks(tracks):
                found += await self._collection.find({"_id": {"$in": some}} | _DIRTY, {"open": 1}).to_list(None)
        documents = [document for document in found if tracks is None or document["_id"] in tracks]
        states = [state for document in documents for state in document.get("open", {}).values()]
        pending = sum(sum(state.get("n", {}).values()) for state in states)
        return pending, min((state["at"] for state in states), default=None)

    async def number_of_open_days(self, rebuilt: tuple[date, date] | None) -> int:
        """How many days of tracks are open; with a range, how many of it are still to be rebuilt."""
        documents = self._collection.find(_DIRTY, {"open": 1})
        return sum([_open_days(document, rebuilt) async for document in documents])

    async def _read(self, track: str) -> OpenTrack:
        return open_track(await self._collection.find_one({"_id": track}, _COUNTING) or {"_id": track})


def _opening(change: Change, mark: str, now: float, today: date) -> Document:
    marked: Document = {}
    since: Document = {"dirty": now}
    more: Document = {}
    for slot in {*change.hours, *change.new, *(part.slot for part in change.slices)}:
        bucket = f"open.{_bucket(slot, today)}"
        marked[f"{bucket}.m"], since[f"{bucket}.at"] = mark, now
        if not is_busy(slot.day, today):
            marked[f"{bucket}.h.{hour_key(slot.hour)}"] = True
        for name, number in change.new.get(slot, {}).items():
            more[f"{bucket}.n.{name}"] = more.get(f"{bucket}.n.{name}", 0) + number
    named = [*((part.slot, hour_key(part.number)) for part in change.slices), *((slot, WHOLE) for slot in change.hours)]
    for slot, part in named:
        if is_busy(slot.day, today):
            marked[f"open.{hour_bucket(slot)}.s.{part}"] = mark
    if change.likes is not None:
        more |= {"likes.value": change.likes, "likes.v": 1}
    if change.recounts_likes:
        marked["likes.m"] = mark
    return {"$min": since} | ({"$set": marked} if marked else {}) | ({"$inc": more} if more else {})


def _bucket(slot: Slot, today: date) -> str:
    return hour_bucket(slot) if is_busy(slot.day, today) else day_bucket(slot.day)


def _open_days(document: Document, rebuilt: tuple[date, date] | None) -> int:
    states = document.get("open", {}).items()
    if rebuilt is None:
        return len({day_of(bucket) for bucket, _ in states})
    return sum("all" in state and rebuilt[0] <= day_of(bucket) <= rebuilt[1] for bucket, state in states)


def _sealed(document: Document) -> Totals:
    return tuple(document.get("sealed", {}).get(name, 0) for name in COUNTED)


def _counters(document: Document) -> Counters:
    track = open_track(document)
    pending = [bucket.pending for bucket in track.buckets.values()]
    sums = dict(
        zip(COUNTED, total([_sealed(document), *track.days.values(), *track.hours.values(), *pending]), strict=True)
    )
    return Counters(
        play_count=sums["plays"],
        like_count=max(0, document.get("likes", {}).get("value", 0)),
        share_count=sums["shares"],
        download_count=sums["downloads"],
    )
