"""The catalogue over HTTP: tracks, artists and playlists are named, tracks are listed (contract, section 6)."""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from backend_api.contract.events import ArtistEntry, NamedTrack, PlaylistEntry, TrackEntry
from backend_api.contract.rooms import RoomId
from backend_api.contract.wire import Wire
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.routes import TrackPath
from backend_api.engagement.upkeep import Upkeep
from backend_api.service.access import admin, internal
from backend_api.service.csv import Cell, Csv
from backend_api.service.errors import FieldError, Unprocessable
from backend_api.service.routes import RouteTable

MAX_CATALOGUE_BYTES = 1024 * 1024

table = RouteTable("catalogue")

_COLUMNS = ("trackId", "artistId", "title", "durationSeconds")


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


class TracksPageQuery(TracksQuery):
    """The same, page by page."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, StringConstraints(max_length=300)] | None = None


class ListedTrack(NamedTrack):
    """A track and, where that is known, what its artist is called."""

    artist_name: str | None


class TrackList(Wire):
    """Tracks of the catalogue in the order of their ids."""

    tracks: list[ListedTrack]
    next_cursor: str | None


@table.put("/api/tracks/{trackId}", allow=(internal("admin"),), summary="Name a track")
async def put_track(*, path: TrackPath, body: TrackEntry, catalogue: Catalogue, upkeep: Upkeep) -> TrackEntry:
    await upkeep.regroup(await catalogue.put_tracks({path.track_id: body}))
    return body


@table.put(
    "/api/tracks", allow=(internal("admin"),), summary="Name up to 1,000 tracks", max_body_bytes=MAX_CATALOGUE_BYTES
)
async def put_tracks(*, body: ManyTracks, catalogue: Catalogue, upkeep: Upkeep) -> Kept:
    await upkeep.regroup(await catalogue.put_tracks({entry.track_id: entry for entry in body.tracks}))
    return Kept(kept=len(body.tracks))


@table.get("/api/tracks", allow=(admin, internal("read")), summary="The tracks of the catalogue")
async def list_tracks(*, query: TracksPageQuery, catalogue: Catalogue) -> TrackList:
    after = "" if query.cursor is None else _read_cursor(query.cursor)
    found = await catalogue.listed(query.artist_id, after, query.limit + 1)
    tracks, more = found[: query.limit], len(found) > query.limit
    names = await catalogue.names(track.artist_id for track in tracks)
    listed = [ListedTrack(**track.model_dump(), artist_name=names.get(track.artist_id)) for track in tracks]
    return TrackList(tracks=listed, next_cursor=_cursor(tracks[-1].track_id) if more else None)


@table.get("/api/tracks.csv", allow=(admin, internal("read")), summary="The tracks of the catalogue as a table")
async def list_tracks_table(*, query: TracksQuery, catalogue: Catalogue) -> Csv:
    return Csv("tracks.csv", _COLUMNS, _rows(catalogue.all_listed(query.artist_id)))


@table.put("/api/artists/{artistId}", allow=(internal("admin"),), summary="Name an artist")
async def put_artist(*, path: ArtistPath, body: ArtistEntry, catalogue: Catalogue) -> ArtistEntry:
    await catalogue.put_artist(path.artist_id, body)
    return body


@table.put(
    "/api/playlists/{playlistId}",
    allow=(internal("admin"),),
    summary="Name a playlist",
    max_body_bytes=2 * MAX_CATALOGUE_BYTES,
)
async def put_playlist(*, path: PlaylistPath, body: PlaylistEntry, catalogue: Catalogue) -> Kept:
    await catalogue.put_playlist(path.playlist_id, body)
    return Kept(kept=1)


async def _rows(tracks: AsyncIterator[NamedTrack]) -> AsyncGenerator[Sequence[Cell], None]:
    async for track in tracks:
        yield track.track_id, track.artist_id, track.title, track.duration_seconds


def _cursor(track: str) -> str:
    return urlsafe_b64encode(track.encode()).decode()


def _read_cursor(cursor: str) -> str:
    try:
        return b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (Base64Error, UnicodeError):
        raise Unprocessable("This cursor is not one of ours.", errors=[FieldError("#/cursor", "unknown")]) from None
