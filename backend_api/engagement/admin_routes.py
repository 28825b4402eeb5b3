"""Rebuilding and auditing over HTTP (contract, section 6)."""

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from backend_api.contract.events import Audit
from backend_api.contract.wire import Wire
from backend_api.engagement.routes import TrackPath
from backend_api.engagement.tracks import Tracks
from backend_api.engagement.upkeep import Upkeep
from backend_api.service.access import admin, internal
from backend_api.service.routes import RouteTable

MAX_DAYS = 3_700

table = RouteTable("engagement upkeep")


class DayRange(Wire):
    """Days in the configured time zone, both of them included."""

    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]

    @model_validator(mode="after")
    def _is_a_range(self) -> "DayRange":
        if not 0 <= (self.last - self.first).days < MAX_DAYS:
            raise ValueError(f"to must not lie before from, nor {MAX_DAYS} days after it")
        return self


class RebuildQuery(Wire):
    """Of which rebuild; without a range, everything that waits is counted, what has just come in, too."""

    first: Annotated[date | None, Field(alias="from")] = None
    last: Annotated[date | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _both_or_none(self) -> "RebuildQuery":
        if (self.first is None) != (self.last is None):
            raise ValueError("give from and to, or neither")
        return self

    @property
    def range(self) -> tuple[date, date] | None:
        return None if self.first is None or self.last is None else (self.first, self.last)


class Rebuilding(Wire):
    """How many days of tracks wait to be recounted; `today` is by the time zone of the rollups."""

    open_days: int
    today: date


@table.post("/api/admin/rollups", allow=(admin, internal("admin")), summary="Recount a range of days", status=202)
async def rebuild(*, body: DayRange, upkeep: Upkeep) -> Rebuilding:
    return Rebuilding(open_days=await upkeep.rebuild(body.first, body.last), today=upkeep.today)


@table.get("/api/admin/rollups", allow=(admin, internal("read")), summary="What still waits to be recounted")
async def read_rebuilding(*, query: RebuildQuery, tracks: Tracks, upkeep: Upkeep) -> Rebuilding:
    return Rebuilding(open_days=await tracks.number_of_open_days(query.range), today=upkeep.today)


@table.get(
    "/api/admin/tracks/{trackId}/audit",
    allow=(admin, internal("read")),
    summary="A track's counters beside a recount",
)
async def audit(*, path: TrackPath, upkeep: Upkeep) -> Audit:
    return await upkeep.audit(path.track_id)
