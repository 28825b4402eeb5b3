"""The catalogue, rebuilding and auditing, over HTTP (contract, section 6)."""

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from backend_api.contract.events import ArtistEntry, Audit, NamedTrack, PlaylistEntry, TrackEntry
from backend_api.contract.rooms import RoomId
from backend_api.contract.wire import Wire
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.routes import TrackPath
from backend_api.engagement.tracks import Tracks
from backend_api.engagement.upkeep import Upkeep
from backend_api.service.access import admin, internal
from backend_api.service.routes import RouteTable

MAX_CATALOGUE_BYTES = 1024 * 1024
MAX_DAYS = 3_700

table = RouteTable("engagement upkeep")


class ArtistPath(Wire):
    """An artist by their id."""

    artist_id: RoomId


class PlaylistPath(Wire):
    """A playlist by its id."""

    playlist_id: RoomId


class ManyTracks(Wire):
    """Catalogue entries of several tracks."""

    tracks: Annotated[list[NamedTrack], Field(min_length=1, max_length=1_000)]


class Kept(Wire):
    """How many entries were kept."""

    kept: int


class TracksQuery(Wire):
    """Which tracks to list."""

    artist_id: RoomId | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class TrackList(Wire):
    """Tracks of the catalogue."""

    tracks: list[NamedTrack]
    next_cursor: None = None


class DayRange(Wire):
    """Days in the configured time zone, both of them included."""

    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]

    @model_validator(mode="after")
    def _is_a_range(self) -> "DayRange":
        if not 0 <= (self.last - self.first).days < MAX_DAYS:
            raise ValueError(f"to must not lie before from, nor {MAX_DAYS} days after it")
        return self


class Rebuilding(Wire):
    """How many days of tracks wait to be recounted."""

    open_days: int


@table.put("/api/tracks/{trackId}", allow=(internal(),), summary="Name a track")
async def put_track(*, path: TrackPath, body: TrackEntry, catalogue: Catalogue, upkeep: Upkeep) -> TrackEntry:
    await upkeep.regroup(await catalogue.put_tracks({path.track_id: body}))
    return body


@table.put("/api/tracks", allow=(internal(),), summary="Name up to 1,000 tracks", max_body_bytes=MAX_CATALOGUE_BYTES)
async def put_tracks(*, body: ManyTracks, catalogue: Catalogue, upkeep: Upkeep) -> Kept:
    await upkeep.regroup(await catalogue.put_tracks({entry.track_id: entry for entry in body.tracks}))
    return Kept(kept=len(body.tracks))


@table.get("/api/tracks", allow=(admin, internal("read")), summary="The tracks of the catalogue")
async def list_tracks(*, query: TracksQuery, catalogue: Catalogue) -> TrackList:
    return TrackList(tracks=await catalogue.listed(query.artist_id, query.limit))


@table.put("/api/artists/{artistId}", allow=(internal(),), summary="Name an artist")
async def put_artist(*, path: ArtistPath, body: ArtistEntry, catalogue: Catalogue) -> ArtistEntry:
    await catalogue.put_artist(path.artist_id, body)
    return body


@table.put(
    "/api/playlists/{playlistId}",
    allow=(internal(),),
    summary="Name a playlist",
    max_body_bytes=2 * MAX_CATALOGUE_BYTES,
)
async def put_playlist(*, path: PlaylistPath, body: PlaylistEntry, catalogue: Catalogue) -> Kept:
    await catalogue.put_playlist(path.playlist_id, body)
    return Kept(kept=1)


@table.post("/api/admin/rollups", allow=(admin, internal("admin")), summary="Recount a range of days", status=202)
async def rebuild(*, body: DayRange, upkeep: Upkeep) -> Rebuilding:
    return Rebuilding(open_days=await upkeep.rebuild(body.first, body.last))


@table.get("/api/admin/rollups", allow=(admin, internal("read")), summary="What still waits to be recounted")
async def read_rebuilding(*, tracks: Tracks) -> Rebuilding:
    return Rebuilding(open_days=await tracks.number_of_open_days())


@table.get(
    "/api/admin/tracks/{trackId}/audit",
    allow=(admin, internal("read")),
    summary="A track's counters beside a recount",
)
async def audit(*, path: TrackPath, upkeep: Upkeep) -> Audit:
    return await upkeep.audit(path.track_id)
