"""Engagement over HTTP: events in, counters and dashboards out (contract, section 6)."""

from typing import Annotated

from aiohttp import web
from pydantic import Field, model_validator

from backend_api.contract.events import (
    MAX_EVENTS,
    Analytics,
    BatchAnswer,
    Counters,
    Dashboard,
    Envelope,
    Metric,
    SentEvent,
    TimeRange,
)
from backend_api.contract.rooms import RoomId
from backend_api.contract.wire import Wire
from backend_api.engagement.dashboards import Dashboards
from backend_api.engagement.intake import Arrival, EventIntake
from backend_api.engagement.reading import EVERYBODY, of_artist, of_track
from backend_api.engagement.tracks import Tracks
from backend_api.places import Places
from backend_api.service.access import Caller, Internal, User, admin, anyone, role
from backend_api.service.errors import FieldError, Forbidden, NotFound, Unprocessable
from backend_api.service.identity import Identify
from backend_api.service.routes import RouteTable

MAX_BATCH_BYTES = 1024 * 1024

table = RouteTable("engagement")

Batch = Annotated[list[SentEvent], Field(max_length=MAX_EVENTS)] | Envelope


class TrackPath(Wire):
    """A track by its id."""

    track_id: RoomId


class AnalyticsQuery(Wire):
    """Whose figures: a track's, an artist's, or everybody's."""

    track_id: RoomId | None = None
    artist_id: RoomId | None = None
    time_range: TimeRange = "30d"
    metric: Metric = "plays"

    @model_validator(mode="after")
    def _one_subject(self) -> "AnalyticsQuery":
        if self.track_id is not None and self.artist_id is not None:
            raise ValueError("give trackId or artistId, not both")
        return self


class DashboardQuery(Wire):
    """The range; an artist sees their own figures, an admin says whose."""

    time_range: TimeRange = "30d"
    artist_id: RoomId | None = None


@table.post(
    "/api/stats/events",
    allow=(anyone,),
    summary="Store up to 1,000 events",
    beacon=True,
    max_body_bytes=MAX_BATCH_BYTES,
)
async def take_events(
    *,
    body: Batch,
    caller: Caller,
    request: web.Request,
    address: str,
    now: float,
    intake: EventIntake,
    identify: Identify,
    places: Places,
) -> BatchAnswer:
    batch = body if isinstance(body, Envelope) else Envelope(events=body)
    user = caller.claims.sub if isinstance(caller, User) else None
    if batch.token is not None and user is None:
        user = (await identify.user(batch.token)).sub
    is_internal = isinstance(caller, Internal) and "admin" in caller.scopes
    peer, headers = request.remote or "", request.headers
    where = places.told(peer, headers) if is_internal else places.of_request(peer, headers, address)
    arrival = Arrival(
        address=address,
        country=where.country,
        user_agent=request.headers.get("User-Agent", ""),
        user_id=user,
        is_internal=is_internal,
        consent=False if request.headers.get("Sec-GPC") == "1" else batch.consent,
        sent_at=None if batch.sent_at is None else batch.sent_at.timestamp(),
        received_at=now,
    )
    return await intake.take(batch.events, arrival)


@table.get("/api/stats/analytics", allow=(admin,), summary="Engagement with a track, an artist or everything")
async def read_analytics(*, query: AnalyticsQuery, dashboards: Dashboards) -> Analytics:
    if query.track_id is not None:
        subject = of_track(query.track_id)
    else:
        subject = EVERYBODY if query.artist_id is None else of_artist(query.artist_id)
    return await dashboards.analytics(subject, query.time_range, query.metric)


@table.get("/api/dashboard/stats", allow=(role("artist"), admin), summary="An artist's dashboard")
async def read_dashboard(*, query: DashboardQuery, caller: Caller, dashboards: Dashboards) -> Dashboard:
    return await dashboards.dashboard(_artist_of(caller, query), query.time_range)


@table.get("/api/tracks/{trackId}/counters", allow=(anyone,), summary="The counters of a track")
async def read_counters(*, path: TrackPath, tracks: Tracks) -> Counters:
    found = await tracks.counters(path.track_id)
    if found is None:
        raise NotFound("There is no such track.")
    return found[0]


def _artist_of(caller: Caller, query: DashboardQuery) -> str:
    own = caller.claims.artist_id if isinstance(caller, User) else None
    is_admin = isinstance(caller, User) and caller.claims.is_admin
    if query.artist_id is not None and query.artist_id != own and not is_admin:
        raise Forbidden("An artist sees their own dashboard only.")
    if (artist := query.artist_id or own) is not None:
        return artist
    if is_admin:
        raise Unprocessable("Say whose dashboard.", errors=[FieldError("#/artistId", "Field required")])
    raise Forbidden("This token names no artist.")
