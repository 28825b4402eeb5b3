"""The days of a channel, summed up once they are over, so that "all time" need not read all sessions.

A day here is a UTC day: sums over all time are the same in every time zone. Each session that ends, or is corrected,
marks the days it may touch, after it is kept and before the report is answered. A marked day is recounted: by the job,
and by whoever reads before the job came by. A mark goes only if nobody marked the day again meanwhile.

Days outlive the sessions they sum up: one whose sessions may be gone already is never counted again.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from secrets import token_hex

from pymongo import UpdateOne

from backend_api.contract.sessions import TIMINGS
from backend_api.db import Document, Index, Mongo
from backend_api.listening.reports import ListeningTime, length_in, listening_time
from backend_api.listening.rows import Counted, Row, counted
from backend_api.listening.source import Source
from backend_api.sessions.documents import Record
from backend_api.uniques import HASH_SPACE, People

DAYS = "listening_days"
MARKS = "listening_marks"
INDEXES = [Index(DAYS, ("channel",)), Index(MARKS, ("channel",))]

PERIOD_SECONDS = 60.0
MARKS_PER_ROUND = 500
DAY_SECONDS = 86_400

_MAX_SECONDS = TIMINGS["listening"].max_seconds or 0.0


class Rollups:
    """The days of all channels."""

    def __init__(self, mongo: Mongo, kept_seconds: float, now: Callable[[], float]) -> None:
        self._days = mongo[DAYS]
        self._marks = mongo[MARKS]
        self._kept_seconds = kept_seconds
        self._now = now

    async def mark(self, record: Record) -> None:
        """The session is over, or corrected: its days are to be counted again."""
        channel = record.session.fact("channel")
        if channel is None:
            return
        start = record.session.started_at
        days = range(_day(start), _day(min(start + _MAX_SECONDS, max(self._now(), start))) + 1)
        marks = [{"_id": f"{channel}|{day}", "channel": channel, "day": day, "by": token_hex(8)} for day in days]
        await self._marks.bulk_write([UpdateOne({"_id": m["_id"]}, {"$set": m}, upsert=True) for m in marks])

    async def run(self, source: Source) -> None:
        """Recount the marked days that are over, some of them; the rest in the next round."""
        over_before, first = _day(self._now() - _MAX_SECONDS), self._first_countable()
        await self._marks.delete_many({"day": {"$lt": first}})
        marks = self._marks.find({"day": {"$lt": over_before}}).limit(MARKS_PER_ROUND)
        for mark in await marks.to_list(None):
            day = await self._recount(source, mark["channel"], mark["day"])
            await self._days.replace_one({"_id": mark["_id"]}, {"_id": mark["_id"], **day}, upsert=True)
            await self._marks.delete_one({"_id": mark["_id"], "by": mark["by"]})

    async def all_time(self, source: Source, channel: str) -> ListeningTime:
        """Everything a channel ever had, up to now: rolled-up days, and the others counted afresh."""
        first = self._first_countable()
        marks = self._marks.find({"channel": channel}, {"day": 1})
        marked = {mark["day"] async for mark in marks if mark["day"] >= first}
        live, today = await source.live(channel), _day(self._now())
        live_days = {day for row in live for day in range(_day(row.start_at), today + 1)}
        open_days = marked | live_days
        days = [day async for day in self._days.find({"channel": channel}) if day["day"] not in open_days]
        for first, last in _stretches(open_days):
            rows = await source.rows(channel, first * DAY_SECONDS, (last + 1) * DAY_SECONDS)
            days.append(_figures(channel, first, rows, through=last))
        people = People.merged(People.unpack(day["people"], day.get("bound", HASH_SPACE)) for day in days)
        active = sum(row.status == "active" for row in live)
        total, started, durations = (sum(day[name] for day in days) for name in ("seconds", "started", "durations"))
        return listening_time(total, started, durations, (people.number, people.is_exact), active)

    def _first_countable(self) -> int:
        """The first day of which every session is surely still kept."""
        return _day(self._now() - self._kept_seconds) + 2

    async def _recount(self, source: Source, channel: str, day: int) -> Document:
        rows = await source.ended(channel, day * DAY_SECONDS, (day + 1) * DAY_SECONDS)
        return _figures(channel, day, rows)


def _figures(channel: str, day: int, rows: Iterable[Row], through: int | None = None) -> Document:
    """What is kept of a day, or of the days `day` through `through`."""
    start_at, end_at = day * DAY_SECONDS, ((day if through is None else through) + 1) * DAY_SECONDS
    sessions: list[Counted] = counted(rows, start_at, end_at)
    people = People.of(some.row.person for some in sessions)
    return {
        "channel": channel,
        "day": day,
        "seconds": sum(some.seconds for some in sessions),
        "started": sum(start_at <= some.row.start_at < end_at for some in sessions),
        "durations": sum(length_in(some, start_at, end_at) for some in sessions),
        "people": people.pack(),
        **({} if people.is_exact else {"bound": people.bound}),
    }


def _stretches(days: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive days."""
    ordered = sorted(days)
    if not ordered:
        return []
    breaks = [(before, after) for before, after in pairwise(ordered) if after > before + 1]
    firsts, lasts = [ordered[0], *(after for _, after in breaks)], [*(before for before, _ in breaks), ordered[-1]]
    return list(zip(firsts, lasts, strict=True))


def _day(at: float) -> int:
    return int(at // DAY_SECONDS)
