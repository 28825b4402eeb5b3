"""The days of a channel, summed up once they are over, so that a long range need not read all its sessions.

A day here is a UTC day: whole ones come from what is kept, in every time zone, the edges of a range from the sessions.
Each session that ends, or is corrected, marks the days it may touch, after it is kept and before that is answered.
A marked day is recounted: by the job, and by whoever reads before the job came by. A mark goes only if nobody marked
the day again meanwhile. A day that was kept before reports were is marked by the first report that meets it.

Days outlive the sessions they sum up: one whose sessions may be gone already is never counted again.
"""

from collections.abc import Callable, Iterable
from secrets import token_hex
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import UpdateOne

from backend_api.contract.sessions import TIMINGS
from backend_api.db import Document, Index, Mongo
from backend_api.listening.days import DAY_SECONDS, SPILL_SECONDS, day_of, summed_up
from backend_api.listening.parts import Parts, is_even, stretches, whole_days
from backend_api.listening.rows import Row
from backend_api.listening.source import Source
from backend_api.listening.tallies import HOUR_SECONDS
from backend_api.sessions.documents import Record
from backend_api.sessions.statistics import WholeSpan

DAYS = "listening_days"
MARKS = "listening_marks"
INDEXES = [Index(DAYS, ("channel", "day")), Index(MARKS, ("channel",))]

PERIOD_SECONDS = 60.0
MARKS_PER_ROUND = 500

_MAX_SECONDS = TIMINGS["listening"].max_seconds or 0.0


class Rollups:
    """The days of all channels."""

    def __init__(self, mongo: Mongo, kept_seconds: float, now: Callable[[], float]) -> None:
        self._days = mongo[DAYS]
        self._marks = mongo[MARKS]
        self._kept_seconds = kept_seconds
        self._now = now

    async def mark(self, record: Record) -> None:
        """The session is over, or corrected: its days, as they are or were, are to be counted again."""
        channel = record.session.fact("channel")
        if channel is None:
            return
        seen = max(max(i.last_seen_at, i.closed_at or 0.0) for i in record.session.intervals)
        until = min(seen + _MAX_SECONDS, max(self._now(), seen))
        await self._mark(channel, range(day_of(record.session.started_at - SPILL_SECONDS), day_of(until) + 1))

    async def run(self, source: Source) -> None:
        """Recount the marked days that are over, some of them; the rest in the next round."""
        over_before, first = day_of(self._now() - _MAX_SECONDS), self._first_countable()
        await self._marks.delete_many({"day": {"$lt": first}})
        marks = self._marks.find({"day": {"$lt": over_before}}).limit(MARKS_PER_ROUND)
        for mark in await marks.to_list(None):
            channel, day = mark["channel"], mark["day"]
            rows = await source.ended(channel, day * DAY_SECONDS, (day + 1) * DAY_SECONDS + SPILL_SECONDS)
            kept = {"_id": mark["_id"], **summed_up(channel, day, rows)}
            await self._days.replace_one({"_id": mark["_id"]}, kept, upsert=True)
            await self._marks.delete_one({"_id": mark["_id"], "by": mark["by"]})

    async def sums(self, source: Source, channel: str, asked: WholeSpan) -> Parts:
        """The parts of a range for listening time; the days without their reports."""
        parts, _ = await self._parts(source, channel, asked, lambda _: True, {"report": 0})
        return parts

    async def reports(self, source: Source, channel: str, asked: WholeSpan, zone: ZoneInfo) -> Parts:
        """The parts of a range for the listeners' report by hours of this zone."""
        parts, unusable = await self._parts(
            source, channel, asked, lambda day: "report" in day and is_even(day["day"], zone)
        )
        await self._mark(channel, (day["day"] for day in unusable if "report" not in day))
        return parts

    async def _parts(
        self,
        source: Source,
        channel: str,
        asked: WholeSpan,
        is_usable: Callable[[Document], bool],
        fields: dict[str, Any] | None = None,
    ) -> tuple[Parts, list[Document]]:
        """The parts, and the days that would be kept, were they usable."""
        # Sessions first, marks next, days last: what ends meanwhile is then seen twice, never not at all.
        live = await source.live(channel)
        open_days = await self._open_days(channel, live)
        first, last = whole_days(asked)
        wanted = {"channel": channel, "day": {"$gte": first, "$lt": last}}
        found = self._days.find(wanted, fields).sort([("channel", 1), ("day", 1)])
        kept = [day async for day in found if day["day"] not in open_days]
        days, unusable = [day for day in kept if is_usable(day)], [day for day in kept if not is_usable(day)]
        counted = stretches(asked, open_days | {day["day"] for day in unusable})
        near = [(here, await self._near(source, channel, here, asked, live)) for here in counted]
        return Parts(asked, days, near, sum(row.status == "active" for row in live)), unusable

    async def _open_days(self, channel: str, live: Iterable[Row]) -> set[int]:
        """The days that sessions are still on in, or that are marked."""
        first, today = self._first_countable(), day_of(self._now())
        marks = self._marks.find({"channel": channel}, {"day": 1})
        marked = {mark["day"] async for mark in marks if mark["day"] >= first}
        return marked | {day for row in live for day in range(day_of(row.start_at - SPILL_SECONDS), today + 1)}

    async def _near(
        self, source: Source, channel: str, stretch: WholeSpan, asked: WholeSpan, live: Iterable[Row]
    ) -> list[Row]:
        """The sessions that may have time in the stretch, or in the hours of the range that reach into it."""
        start_at, end_at = max(stretch[0] - HOUR_SECONDS, asked[0]), min(stretch[1] + HOUR_SECONDS, asked[1])
        ended = await source.ended(channel, start_at, end_at)
        known = {row.id for row in ended}
        return [*ended, *(row for row in live if row.id not in known)]

    async def _mark(self, channel: str, days: Iterable[int]) -> None:
        marks = [{"_id": f"{channel}|{day}", "channel": channel, "day": day, "by": token_hex(8)} for day in days]
        if marks:
            await self._marks.bulk_write([UpdateOne({"_id": m["_id"]}, {"$set": m}, upsert=True) for m in marks])

    def _first_countable(self) -> int:
        """The first day of which every session is surely still kept."""
        return day_of(self._now() - self._kept_seconds) + 2
