"""Reads and writes the figures of hours, days, weeks, months and years. Everything here is replaced, never added to.

What a newer round of the job has written stays as it is (see `runs`).
"""

from collections.abc import Iterable, Mapping
from datetime import date

from pymongo import ReplaceOne, UpdateOne

from backend_api.contract.wire import at as time_of
from backend_api.db import Document, Mongo, upsert_unless_refused
from backend_api.engagement.documents import TRACK_STATS, Family, hour_key, stats_document, stats_id
from backend_api.engagement.periods import Calendar, Period, Slot
from backend_api.engagement.raw import chunks
from backend_api.engagement.rollups import Figures, Piece, from_document, to_document
from backend_api.engagement.runs import empty, not_newer

Hours = dict[int, Figures]
"""The figures of a day by its hours; an hour without events is missing."""


class Stats:
    """The rollups of tracks and of groups."""

    def __init__(self, mongo: Mongo, calendar: Calendar) -> None:
        self._mongo = mongo
        self._calendar = calendar

    async def save_hours(self, family: Family, subject: str, days: Mapping[date, Hours], run: int) -> None:
        """Replaces these hours and no others; one that is empty goes."""
        updates = [self._hours_update(family, subject, day, hours, run) for day, hours in days.items() if hours]
        if updates:
            await upsert_unless_refused(self._mongo[family.hours], updates)

    async def hours(self, family: Family, subject: str, first: date, last: date) -> dict[date, Hours]:
        """The hours of the days from `first` to `last`, both of them."""
        query = {family.key: subject, "periodStart": {"$gte": self._start(first), "$lte": self._start(last)}}
        documents = await self._mongo[family.hours].find(query).to_list(None)
        return {self._calendar.day_of(d["periodStart"].timestamp()): _hours(d) for d in documents}

    async def hour(self, family: Family, subject: str, slot: Slot) -> Figures:
        """One hour of a subject; without events, empty figures."""
        fields = {f"hours.{hour_key(slot.hour)}": 1}
        document = await self._mongo[family.hours].find_one({"_id": stats_id(subject, slot.day)}, fields)
        return _hours(document or {}).get(slot.hour, Figures())

    async def hours_of_tracks(self, tracks: Iterable[str] | None, day: date, hours: Iterable[int]) -> dict[str, Hours]:
        """Some hours of a day by track, of these tracks or (None) of all that have any."""
        fields = {"trackId": 1, **{f"hours.{hour_key(hour)}": 1 for hour in hours}}
        collection = self._mongo[TRACK_STATS.hours]
        if tracks is None:
            documents = await collection.find({"periodStart": self._start(day)}, fields).to_list(None)
        else:
            documents = []
            for some in chunks(tracks):
                ids = [stats_id(track, day) for track in some]
                documents += await collection.find({"_id": {"$in": ids}}, fields).to_list(None)
        return {document["trackId"]: _hours(document) for document in documents}

    async def save(
        self, family: Family, period: Period, subject: str, figures: Mapping[date, Figures], run: int, now: float
    ) -> None:
        """Replaces the figures of periods, by their first days; a period without events has none."""
        for some in chunks(figures.items()):
            changes: list[ReplaceOne[Document]] = []
            for first, found in some:
                key = stats_id(subject, first)
                start_at = self._calendar.start_of(first)
                kept = stats_document(family, subject, first, start_at, found, run, now)
                document = empty(key, run) if found.is_empty else kept
                changes.append(ReplaceOne({"_id": key} | not_newer(run), document, upsert=not found.is_empty))
            await upsert_unless_refused(self._mongo[family.periods[period]], changes)

    async def pieces(
        self, family: Family, period: Period, subject: str, start_at: float, end_at: float, *, sums_only: bool = False
    ) -> list[Piece]:
        """The periods of a subject that begin in this stretch; with `sums_only` nothing else of them."""
        query = {family.key: subject, "periodStart": {"$gte": time_of(start_at), "$lt": time_of(end_at)}}
        fields = {"figures.sums" if sums_only else "figures": 1, "periodStart": 1}
        documents = await self._mongo[family.periods[period]].find(query, fields).to_list(None)
        return [Piece(d["periodStart"].timestamp(), from_document(d["figures"])) for d in documents]

    async def hour_pieces(self, family: Family, subject: str, start_at: float, end_at: float) -> list[Piece]:
        """The hours of a subject that begin in this stretch."""
        days = await self.hours(
            family, subject, self._calendar.day_of(start_at), self._calendar.day_of(max(start_at, end_at - 1))
        )
        starts = {day: self._calendar.start_of(day) for day in days}
        pieces = [Piece(starts[day] + hour * 3_600, f) for day, hours in days.items() for hour, f in hours.items()]
        return [piece for piece in pieces if start_at <= piece.start_at < end_at]

    def _start(self, day: date) -> object:
        return time_of(self._calendar.start_of(day))

    def _hours_update(self, family: Family, subject: str, day: date, hours: Hours, run: int) -> UpdateOne:
        kept = {f"hours.{hour_key(hour)}": to_document(f) for hour, f in hours.items() if not f.is_empty}
        gone = {f"hours.{hour_key(hour)}": "" for hour, f in hours.items() if f.is_empty}
        update: Document = {"$set": {family.key: subject, "periodStart": self._start(day), "run": run, **kept}}
        if gone:
            update["$unset"] = gone
        return UpdateOne({"_id": stats_id(subject, day)} | not_newer(run), update, upsert=bool(kept))


def _hours(document: Document) -> Hours:
    return {int(hour): from_document(figures) for hour, figures in document.get("hours", {}).items()}
