"""The messages of engagement: events in, figures out. How events are counted is in `engagement/rollups.py`."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from backend_api.contract.rooms import RoomId
from backend_api.contract.wire import Lenient, Timestamp, Wire, at

MAX_EVENTS = 1_000
"""How many events one batch may hold."""
SKIPPED_BELOW_SECONDS = 20

Source = Literal["landing", "playlist", "search", "direct", "share", "player"]
Platform = Literal["twitter", "facebook", "instagram", "whatsapp", "copy_link", "embed"]
EventType = Literal["play", "playEnd", "like", "save", "share", "download"]
TimeRange = Literal["24h", "7d", "30d", "90d", "1y", "all"]
Metric = Literal["plays", "likes", "shares", "downloads", "saves"]
Reason = Literal["bad_field", "unknown_type", "unknown_track", "too_old", "in_future", "conflict"]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_LAST_MS = 253_402_300_800_000


def _from_milliseconds(value: Any) -> Any:
    """Epoch milliseconds become a time; of texts only RFC 3339 is let through."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value < _LAST_MS:
            raise ValueError("not a time in epoch milliseconds")
        return at(0) + timedelta(milliseconds=int(value))
    if not isinstance(value, str | datetime) or (isinstance(value, str) and not _RFC3339.fullmatch(value)):
        raise ValueError("neither RFC 3339 nor epoch milliseconds")
    return value


DeviceTime = Annotated[
    AwareDatetime,
    BeforeValidator(_from_milliseconds),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}]}),
]
"""A moment by the device's clock: RFC 3339, or epoch milliseconds."""

EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:~-]{1,64}$", strict=True)]
ClientId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:~-]{1,128}$", strict=True)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False, strict=True)]


class _Event(Lenient):
    """What every event says. Without `event_id` one is derived from its content."""

    event_id: EventId | None = None
    track_id: RoomId
    session_id: ClientId
    anonymous_id: ClientId | None = None
    timestamp: DeviceTime


class Play(_Event):
    """A play began; with a duration it is start and end in one."""

    type: Literal["play"]
    play_id: EventId | None = None
    source: Source
    playlist_id: RoomId | None = None
    replayed: StrictBool | None = None
    duration: Seconds | None = None
    track_duration: Seconds | None = None
    skipped: StrictBool | None = None


class PlayEnd(_Event):
    """The play `play_id` ended after `duration` seconds."""

    type: Literal["playEnd"]
    play_id: EventId
    duration: Seconds
    track_duration: Seconds
    skipped: StrictBool | None = None
    replayed: StrictBool | None = None


class Like(_Event):
    """Somebody likes a track, or no longer does."""

    type: Literal["like"]
    action: Literal["like", "unlike"]
    source: Source


class Save(_Event):
    """A track was put into a playlist, or taken out."""

    type: Literal["save"]
    playlist_id: RoomId
    action: Literal["save", "unsave"]


class Share(_Event):
    """A track was shared."""

    type: Literal["share"]
    platform: Platform
    source: Source


class Download(_Event):
    """A track was downloaded."""

    type: Literal["download"]
    source: Source


AnyEvent = Play | PlayEnd | Like | Save | Share | Download
EVENT: TypeAdapter[AnyEvent] = TypeAdapter(
    Annotated[AnyEvent, Field(discriminator="type")], config=ConfigDict(defer_build=True)
)


class _DocumentedAsEvent:
    """What is sent is read one by one, so that a wrong one does not lose the others; this tells what it should be."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(EVENT.core_schema)


SentEvent = Annotated[Any, _DocumentedAsEvent()]


class Envelope(Lenient):
    """A batch as an object. `sent_at` is by the device's clock; `token` is for beacons, which carry no headers."""

    sent_at: DeviceTime | None = None
    token: Annotated[str, Field(max_length=8_192)] | None = None
    consent: StrictBool | None = None
    events: Annotated[list[SentEvent], Field(max_length=MAX_EVENTS)]


class Rejected(Wire):
    """An event that was not stored, by its place in the batch."""

    index: int
    reason: Reason


class BatchAnswer(Wire):
    """What became of a batch: every event is in exactly one of the three."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


class Counters(Wire):
    """The totals of a track. `like_count` are the people whose newest action is a like."""

    play_count: int
    like_count: int
    share_count: int
    download_count: int


class SeriesPoint(Wire):
    """One step of a curve; `timestamp` is its start, in the answer's `timezone`."""

    timestamp: Timestamp
    value: int


class Freshness(Wire):
    """Everything up to `as_of` is in the figures; `pending_events` came later and are about to be."""

    as_of: Timestamp
    pending_events: int


class Analytics(Wire):
    """Engagement with a track, an artist or everything. Rates are fractions, completion per cent, duration seconds."""

    total_plays: int
    unique_plays: int
    source_breakdown: dict[str, int]
    avg_duration: float | None
    avg_completion_rate: float | None
    skip_rate: float | None
    replay_rate: float | None
    total_likes: int
    total_unlikes: int
    total_shares: int
    platform_breakdown: dict[str, int]
    total_downloads: int
    total_saves: int
    country_breakdown: dict[str, int]
    series: list[SeriesPoint]
    timezone: str
    freshness: Freshness
    exact: bool


class Overview(Wire):
    """The tiles of an artist's dashboard."""

    total_tracks: int
    total_plays: int
    total_likes: int
    total_shares: int
    total_downloads: int
    total_saves: int
    unique_listeners: int
    avg_duration: float | None
    avg_completion_rate: float | None


class Profile(Wire):
    """Who an artist is."""

    artist_id: str
    name: str | None
    image: str | None


class RecentEvent(Wire):
    """One of the newest plays or likes."""

    track_id: str
    title: str | None
    timestamp: Timestamp
    source: str
    country: str | None


class RecentActivity(Wire):
    """The newest first."""

    plays: list[RecentEvent]
    likes: list[RecentEvent]


class TopTrack(Wire):
    """A track and how often it was played in the range."""

    track_id: str
    title: str | None
    total_plays: int


class EngagementRates(Wire):
    """Actions per play; completion in per cent. None where nothing was played."""

    like_rate: float | None
    share_rate: float | None
    save_rate: float | None
    download_rate: float | None
    completion_rate: float | None


class PlaylistSummary(Wire):
    """A playlist of the artist's own."""

    playlist_id: str
    title: str
    total_tracks: int


class Growth(Wire):
    """Change against the period before, as a fraction; None where that one was empty."""

    plays: float | None
    likes: float | None
    shares: float | None


class Dashboard(Wire):
    """What an artist sees."""

    overview: Overview
    artist: Profile
    recent_activity: RecentActivity
    top_tracks: list[TopTrack]
    engagement: EngagementRates
    playlists: list[PlaylistSummary]
    growth: Growth
    series: list[SeriesPoint]
    timezone: str
    freshness: Freshness
    exact: bool


class TrackEntry(Wire):
    """What the catalogue knows of a track."""

    artist_id: RoomId
    title: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    duration_seconds: Annotated[int, Field(ge=0, le=86_400)]


class NamedTrack(TrackEntry):
    """A catalogue entry with its id, as bulk writes and lists carry it."""

    track_id: RoomId


class ArtistEntry(Wire):
    """What the catalogue knows of an artist."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    image: Annotated[str, StringConstraints(pattern=r"^https://[^\s\"'<>]{1,2000}$")] | None = None


class PlaylistEntry(Wire):
    """What the catalogue knows of a playlist."""

    owner_id: RoomId
    title: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    track_ids: Annotated[list[RoomId], Field(max_length=10_000)]


class Audit(Wire):
    """A track's counters beside a recount; `pending` says that marked buckets are still to be recounted."""

    counters: Counters
    recount: Counters
    equal: bool
    pending: bool
