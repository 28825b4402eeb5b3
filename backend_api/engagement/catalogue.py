"""What tracks, artists and playlists are called, and whose they are, as the host application tells. Counts nothing."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Mapping
from secrets import token_hex
from typing import NamedTuple

from pymongo import UpdateOne

from backend_api.contract.events import ArtistEntry, NamedTrack, PlaylistEntry, TrackEntry
from backend_api.db import Document, Mongo
from backend_api.engagement.documents import ARTISTS, PLAYLISTS, TRACKS
from backend_api.engagement.raw import chunks

MAX_REMEMBERED = 100_000
REMEMBERED_SECONDS = 600.0
"""So long after it was told to another process, a track's length is used here, too."""
PAGE = 500


class _Known(NamedTuple):
    """A track's length in seconds (0: unknown), and until when it is used without asking again."""

    seconds: float
    until_at: float


class Playlist(NamedTuple):
    """A playlist as dashboards name it."""

    id: str
    title: str
    tracks: int


class Catalogue:
    """The catalogue. That a track is known is remembered for a while, and how long it is."""

    def __init__(self, mongo: Mongo) -> None:
        self._tracks, self._artists, self._playlists = mongo[TRACKS], mongo[ARTISTS], mongo[PLAYLISTS]
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def known(self, tracks: Iterable[str], now: float) -> dict[str, float]:
        """Those of the tracks that are in the catalogue, with their lengths in seconds (0: unknown)."""
        asked = set(tracks)
        found = {track: known for track in asked if (known := self._known.get(track)) and known.until_at > now}
        for some in chunks(asked - found.keys()):
            documents = await self._tracks.find({"_id": {"$in": some}}, {"durationSeconds": 1}).to_list(None)
            found |= {d["_id"]: _Known(d["durationSeconds"], now + REMEMBERED_SECONDS) for d in documents}
        for track, known in found.items():
            self._known[track] = known
            self._known.move_to_end(track)
        while len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return {track: known.seconds for track, known in found.items()}

    async def put_tracks(self, entries: Mapping[str, TrackEntry]) -> dict[str, str]:
        """Keeps the entries; the tracks that had another artist, with that one's id. Those are left marked as moved."""
        before: dict[str, str] = {}
        for some in chunks(entries):
            documents = await self._tracks.find({"_id": {"$in": some}}, {"artistId": 1}).to_list(None)
            before |= {document["_id"]: document["artistId"] for document in documents}
            moved = {t: a for t, a in before.items() if t in entries and entries[t].artist_id != a}
            updates = [_track_update(track, entries[track], moved.get(track)) for track in some]
            await self._tracks.bulk_write(updates, ordered=False)
            for track in some:
                self._known.pop(track, None)
        return {track: artist for track, artist in before.items() if entries[track].artist_id != artist}

    async def put_artist(self, artist: str, entry: ArtistEntry) -> None:
        await self._artists.replace_one({"_id": artist}, entry.model_dump(), upsert=True)

    async def put_playlist(self, playlist: str, entry: PlaylistEntry) -> None:
        number = len(set(entry.track_ids))
        document = {"ownerId": entry.owner_id, "title": entry.title, "trackIds": entry.track_ids, "tracks": number}
        await self._playlists.replace_one({"_id": playlist}, document, upsert=True)

    async def titles_of(self, artist: str) -> dict[str, str]:
        """The tracks of an artist."""
        documents = await self._tracks.find({"artistId": artist}, {"title": 1}).to_list(None)
        return {document["_id"]: document["title"] for document in documents}

    async def all_tracks(self) -> list[str]:
        return [document["_id"] async for document in self._tracks.find({}, {"_id": 1})]

    async def listed(self, artist: str | None, after: str, limit: int) -> list[NamedTrack]:
        """Tracks with their names, of one artist or of all, in the order of their ids, after one."""
        query: Document = {"_id": {"$gt": after}} | ({} if artist is None else {"artistId": artist})
        fields = {"artistId": 1, "title": 1, "durationSeconds": 1}
        documents = await self._tracks.find(query, fields).sort("_id", 1).limit(limit).to_list(None)
        return [
            NamedTrack(
                track_id=document["_id"],
                artist_id=document["artistId"],
                title=document["title"],
                duration_seconds=document["durationSeconds"],
            )
            for document in documents
        ]

    async def all_listed(self, artist: str | None) -> AsyncGenerator[NamedTrack, None]:
        """The same, all of them."""
        after = ""
        while page := await self.listed(artist, after, PAGE):
            for track in page:
                yield track
            after = page[-1].track_id

    async def names(self, artists: Iterable[str]) -> dict[str, str]:
        """What those artists are called that have been named."""
        found: dict[str, str] = {}
        for some in chunks(dict.fromkeys(artists)):
            documents = await self._artists.find({"_id": {"$in": some}}, {"name": 1}).to_list(None)
            found |= {document["_id"]: document["name"] for document in documents}
        return found

    async def artist(self, artist: str) -> ArtistEntry | None:
        document = await self._artists.find_one({"_id": artist})
        return None if document is None else ArtistEntry(name=document["name"], image=document["image"])

    async def playlists_of(self, owner: str, limit: int) -> list[Playlist]:
        """Without what is in them: of ten thousand tracks only the number is told."""
        # Those that were put before their number was kept have only the tracks themselves.
        number = {"$ifNull": ["$tracks", {"$size": "$trackIds"}]}
        cursor = self._playlists.find({"ownerId": owner}, {"title": 1, "tracks": number}).limit(limit)
        return [Playlist(d["_id"], d["title"], d["tracks"]) for d in await cursor.to_list(None)]


def _track_update(track: str, entry: TrackEntry, former_artist: str | None) -> UpdateOne:
    named = {"artistId": entry.artist_id, "title": entry.title, "durationSeconds": entry.duration_seconds}
    change: Document = {"$set": named}
    if former_artist is not None:
        named["moved"] = token_hex(8)
        change |= {"$addToSet": {"formerArtists": former_artist}, "$min": {"dirty": 1.0}}
    return UpdateOne({"_id": track}, change, upsert=True)
