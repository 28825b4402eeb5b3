"""The document of each track: its totals by day, and the days that are open until they have been recounted.

Every change here is one update of one document. A day's pending counts are dropped only together with setting its
recounted total, and only if its mark is the one seen before recounting: whoever stored something since has changed it.
"""

from collections import defaultdict
from collections.abc import Collection as Several
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from pymongo import UpdateOne

from backend_api.contract.events import Counters
from backend_api.db import Document, Mongo
from backend_api.engagement.documents import COUNTED, TRACKS, hour_key
from backend_api.engagement.periods import Slot
from backend_api.engagement.raw import chunks

DAYS_PER_UPDATE = 31
"""The embedded database is quadratic in the fields of one update."""

Totals = Sequence[int]
"""The sums COUNTED, in that order."""


@dataclass
class Change:
    """What a batch does to one track: hours that must be recounted, what is new until then, likes gained or lost."""

    slots: set[Slot] = field(default_factory=set)
    new: dict[date, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    likes: int | None = None


class OpenDay(NamedTuple):
    """A day to be recounted: `hours` of it, None for all; `since_at` is when it was opened."""

    day: date
    mark: str
    hours: frozenset[int] | None
    pending: Totals
    since_at: float


class OpenTrack(NamedTuple):
    """A track of which something is to be recounted."""

    track_id: str
    artists: frozenset[str]
    days: Sequence[OpenDay]
    totals: Mapping[date, Totals]
    likes_mark: str | None


class Tracks:
    """The tracks' counting half; their names are the catalogue's."""

    def __init__(self, mongo: Mongo) -> None:
        self._collection = mongo[TRACKS]

    async def mark(self, changes: Mapping[str, Change], mark: str, now: float) -> None:
        """Opens the days that the changes name, with what is pending in them."""
        updates = [UpdateOne({"_id": track}, _opening(change, mark, now)) for track, change in changes.items()]
        if updates:
            await self._collection.bulk_write(updates, ordered=False)

    async def reopen(self, tracks: Iterable[str], days: Iterable[date], mark: str, now: float) -> None:
        """Has every hour of these days recounted."""
        wanted, ids = list(days), list(tracks)
        for first in range(0, len(wanted), DAYS_PER_UPDATE):
            opened: Document = {"dirty": True}
            for day in wanted[first : first + DAYS_PER_UPDATE]:
                opened |= {f"open.{day}.m": mark, f"open.{day}.all": True, f"open.{day}.at": now}
            for some in chunks(ids):
                updates = [UpdateOne({"_id": track}, {"$set": opened}) for track in some]
                await self._collection.bulk_write(updates, ordered=False)

    async def open_ids(self, limit: int) -> list[str]:
        found = self._collection.find({"dirty": True}, {"_id": 1}).limit(limit)
        return [document["_id"] for document in await found.to_list(None)]

    async def open_ones(self, tracks: Iterable[str]) -> list[OpenTrack]:
        """What is open of these tracks."""
        fields = {"open": 1, "artistId": 1, "formerArtists": 1, "days": 1, "likes": 1}
        found: list[OpenTrack] = []
        for some in chunks(tracks):
            cursor = self._collection.find({"_id": {"$in": some}, "dirty": True}, fields)
            found += [_open_track(document) for document in await cursor.to_list(None)]
        return found

    async def fold(self, track: str, days: Sequence[tuple[OpenDay, Totals]], now: float) -> int:
        """Closes days with their recounted totals, each only if nobody has marked it since; how many were closed."""
        closed = 0
        for first in range(0, len(days), DAYS_PER_UPDATE):
            some = days[first : first + DAYS_PER_UPDATE]
            if await self._close_all(track, some):
                closed += len(some)
                continue
            for day, totals in some:
                if await self._close_all(track, [(day, totals)]):
                    closed += 1
                else:
                    await self._mark_if_closed(track, day, now)
        return closed

    async def fold_likes(self, track: str, mark: str, likers: int) -> None:
        """Sets how many people like the track, if nothing was changed since the mark was read."""
        change = {"$set": {"likes.value": likers}, "$unset": {"likes.m": "", "likes.n": ""}}
        await self._collection.update_one({"_id": track, "likes.m": mark}, change)

    async def close(self, tracks: Iterable[str]) -> None:
        """No longer looks at tracks of which nothing is open."""
        quiet: Document = {"open": {"$in": [{}, None]}, "likes.m": None}
        updates = [UpdateOne({"_id": track} | quiet, {"$unset": {"dirty": ""}}) for track in tracks]
        if updates:
            await self._collection.bulk_write(updates, ordered=False)

    async def seal(self, before: date) -> None:
        """Adds the days before a date, which can no longer change, into one sum."""
        async for document in self._collection.find({}, {"days": 1}):
            for day, totals in sorted(document.get("days", {}).items()):
                if day < before.isoformat():
                    seen = {"_id": document["_id"], f"days.{day}": totals, f"open.{day}": {"$exists": False}}
                    more = {f"sealed.{name}": number for name, number in zip(COUNTED, totals, strict=True)}
                    await self._collection.update_one(seen, {"$inc": more, "$unset": {f"days.{day}": ""}})

    async def counters(self, track: str) -> tuple[Counters, bool] | None:
        """The counters, and whether something in them is still to be recounted; None for an unknown track."""
        fields = {"days": 1, "open": 1, "sealed": 1, "likes": 1, "dirty": 1}
        document = await self._collection.find_one({"_id": track}, fields)
        return None if document is None else (_counters(document), document.get("dirty", False))

    async def days_of(self, track: str) -> list[date]:
        """The days of which a track has totals that may still change."""
        document = await self._collection.find_one({"_id": track}, {"days": 1}) or {}
        return [date.fromisoformat(day) for day in document.get("days", {})]

    async def totals_before(self, track: str, day: date) -> Totals:
        """What a track had before a day: what is sealed, and what soon will be."""
        document = await self._collection.find_one({"_id": track}, {"sealed": 1, "days": 1}) or {}
        columns = [t for name, t in document.get("days", {}).items() if name < day.isoformat()]
        sealed = [document.get("sealed", {}).get(name, 0) for name in COUNTED]
        return [sum(column) for column in zip(sealed, *columns, strict=True)]

    async def waiting(self, tracks: Several[str] | None) -> tuple[int, float | None]:
        """How many events of these tracks (None: of all) are pending, and since when the first one is."""
        fields = {"open": 1}
        if tracks is None:
            documents = await self._collection.find({"dirty": True}, fields).limit(1_000).to_list(None)
        else:
            documents = []
            for some in chunks(tracks):
                query = {"_id": {"$in": some}, "dirty": True}
                documents += await self._collection.find(query, fields).to_list(None)
        days = [day for document in documents for day in document.get("open", {}).values()]
        return sum(sum(day.get("n", {}).values()) for day in days), min((day["at"] for day in days), default=None)

    async def open_days(self) -> int:
        """How many days of tracks are open."""
        documents = self._collection.find({"dirty": True}, {"open": 1})
        return sum([len(document.get("open", {})) async for document in documents])

    async def _close_all(self, track: str, days: Sequence[tuple[OpenDay, Totals]]) -> bool:
        seen = {"_id": track, **{f"open.{day.day}.m": day.mark for day, _ in days}}
        return (await self._collection.update_one(seen, _closing(days))).matched_count > 0

    async def _mark_if_closed(self, track: str, day: OpenDay, now: float) -> None:
        """Closed by another process in the meantime: what was written here may be older than what that one wrote."""
        closed = {"_id": track, f"open.{day.day}": {"$exists": False}}
        again = {"dirty": True, f"open.{day.day}": {"m": day.mark, "all": True, "at": now}}
        await self._collection.update_one(closed, {"$set": again})


def _closing(days: Sequence[tuple[OpenDay, Totals]]) -> Document:
    kept = {f"days.{day.day}": list(totals) for day, totals in days if any(totals)}
    gone = {f"days.{day.day}": "" for day, totals in days if not any(totals)}
    change: Document = {"$unset": {**{f"open.{day.day}": "" for day, _ in days}, **gone}}
    return change | {"$set": kept} if kept else change


def _opening(change: Change, mark: str, now: float) -> Document:
    opened: Document = {"dirty": True}
    since: Document = {}
    for slot in change.slots:
        opened |= {f"open.{slot.day}.m": mark, f"open.{slot.day}.h.{hour_key(slot.hour)}": True}
        since[f"open.{slot.day}.at"] = now
    more = {f"open.{day}.n.{name}": n for day, counts in change.new.items() for name, n in counts.items()}
    if change.likes is not None:
        opened["likes.m"] = mark
        more["likes.n"] = change.likes
    update: Document = {"$set": opened}
    if since:
        update["$min"] = since
    if more:
        update["$inc"] = more
    return update


def _open_track(document: Document) -> OpenTrack:
    artists = frozenset([*document.get("formerArtists", ()), document["artistId"]])
    days = [_open_day(day, state) for day, state in document.get("open", {}).items()]
    totals = {date.fromisoformat(day): numbers for day, numbers in document.get("days", {}).items()}
    return OpenTrack(document["_id"], artists, days, totals, document.get("likes", {}).get("m"))


def _open_day(day: str, state: Mapping[str, Any]) -> OpenDay:
    hours = None if state.get("all") else frozenset(int(hour) for hour in state.get("h", ()))
    pending = [state.get("n", {}).get(name, 0) for name in COUNTED]
    return OpenDay(date.fromisoformat(day), state["m"], hours, pending, state["at"])


def _counters(document: Document) -> Counters:
    sums = dict.fromkeys(COUNTED, 0) | document.get("sealed", {})
    for totals in document.get("days", {}).values():
        for name, number in zip(COUNTED, totals, strict=True):
            sums[name] += number
    for state in document.get("open", {}).values():
        for name, number in state.get("n", {}).items():
            sums[name] += number
    likes = document.get("likes", {})
    return Counters(
        play_count=sums["plays"],
        like_count=max(0, likes.get("value", 0) + likes.get("n", 0)),
        share_count=sums["shares"],
        download_count=sums["downloads"],
    )
