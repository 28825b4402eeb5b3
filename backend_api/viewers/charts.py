"""A room's history as dashboards see it: points of one resolution and the summary of the whole range."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, tzinfo
from itertools import pairwise
from typing import Literal, NamedTuple

from backend_api.contract.snapshots import History, Point, Summary
from backend_api.contract.wire import at as time_of
from backend_api.service.errors import FieldError, Unprocessable
from backend_api.viewers.history import Stretch, bucketed, join
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.ranges import (
    DAY_SECONDS,
    MAX_POINTS,
    Resolution,
    Span,
    Steps,
    TimeRange,
    TooFineError,
    between,
    ceil_to,
    choose,
    end_of_minute,
    floor_to,
    readable,
    rolling,
    steps,
)
from backend_api.viewers.reader import HistoryReader

_PIECE_SECONDS = 7 * DAY_SECONDS
_SLICED = ("1m", "5m", "15m")
"""A long table of these is read in pieces; their steps never reach over the end of one."""


class Asked(NamedTuple):
    """A rolling range, or one from `first` to `last` where it is `all`; what is missing is taken from what there is."""

    time_range: TimeRange = "all"
    first: date | None = None
    last: date | None = None
    zone: tzinfo | None = None
    resolution: Resolution | Literal["auto"] = "auto"


class Charts:
    """Answers dashboards. Raises Unprocessable for what cannot be answered."""

    def __init__(self, reader: HistoryReader, keeping: Keeping, zone: tzinfo, now: Callable[[], float]) -> None:
        self._reader = reader
        self._zone = zone
        self._keeping = keeping
        self._now = now

    async def history(self, room: str, asked: Asked) -> History:
        """Points and their summary; a room without history has none and zeros."""
        span = await self._span(room, asked)
        kept = self._kept(span)
        resolution = self._resolution(kept, asked, MAX_POINTS)
        found = await self._buckets(room, kept, steps(kept, resolution, asked.zone or self._zone))
        points = [_point(stretch) for stretch in found if stretch.minutes]
        return History(snapshots=points, summary=_summary(span, found), resolution=resolution)

    async def table(self, room: str, asked: Asked) -> AsyncIterator[Point]:
        """The points alone, however many, read piece by piece."""
        kept = self._kept(await self._span(room, asked))
        resolution = self._resolution(kept, asked, sys.maxsize)
        cut = steps(kept, resolution, asked.zone or self._zone)
        for piece in _pieces(kept) if resolution in _SLICED else [kept]:
            for stretch in await self._buckets(room, piece, cut):
                if stretch.minutes:
                    yield _point(stretch)

    async def _buckets(self, room: str, span: Span, cut: Steps) -> list[Stretch]:
        return bucketed(await self._reader.read(room, span, cut.grain_seconds), cut.start_of)

    def _resolution(self, span: Span, asked: Asked, most_points: int) -> Resolution:
        minutes_since_at = self._now() - self._keeping.minutes_seconds
        try:
            return choose(span, asked.resolution, minutes_since_at=minutes_since_at, most_points=most_points)
        except TooFineError as error:
            raise Unprocessable(str(error), errors=[FieldError("#/resolution", str(error))]) from None

    async def _span(self, room: str, asked: Asked) -> Span:
        """The range as it was asked for."""
        now = self._now()
        if asked.time_range != "all":
            return rolling(asked.time_range, now)
        end_at = end_of_minute(now)
        first_at = await self._reader.first_at(room)
        everything = Span(end_at if first_at is None else min(first_at, end_at), end_at)
        try:
            return between(asked.first, asked.last, asked.zone or self._zone, default=everything)
        except ValueError as error:
            raise Unprocessable(str(error), errors=[FieldError("#/from", str(error))]) from None

    def _kept(self, span: Span) -> Span:
        """The part of it of which there can be anything."""
        now = self._now()
        since_at = floor_to(now - self._keeping.summaries_seconds, DAY_SECONDS)
        return readable(span.within(Span(since_at, end_of_minute(now))), now - self._keeping.minutes_seconds)


def _pieces(span: Span) -> list[Span]:
    inner = range(ceil_to(span.start_at + 1, _PIECE_SECONDS), span.end_at, _PIECE_SECONDS)
    edges = [span.start_at, *inner, span.end_at]
    return [Span(*edges) for edges in pairwise(edges)]


def _point(stretch: Stretch) -> Point:
    return Point(
        timestamp=time_of(stretch.at),
        viewer_count=stretch.viewer_count,
        avg_viewers=stretch.average,
        peak_viewers=stretch.peak,
        min_viewers=stretch.low,
        sample_count=stretch.samples,
    )


def _summary(span: Span, stretches: Sequence[Stretch]) -> Summary:
    whole = join(stretches)
    return Summary(
        total_snapshots=whole.minutes if whole else 0,
        overall_peak=whole.peak if whole else 0,
        overall_avg=whole.average if whole else 0.0,
        overall_min=whole.low if whole else 0,
        duration=span.minutes,
        viewer_minutes=round(whole.received_ms / 60_000, 2) if whole else 0.0,
    )
