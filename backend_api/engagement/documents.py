"""The collections of engagement: their names, keys, indexes and documents. Does no I/O.

| collection | one document for | `_id` | holds |
|---|---|---|---|
| play_events, like_events ... | an event | event id | the raw event; ends of plays are in play_events |
| tracks | a track | track id | its catalogue entry, its totals, what is open of it |
| track_likes | a person's opinion of a track | track, person | their newest action |
| hourly_stats | a track's day | track, day | the figures of its hours |
| daily_stats ... yearly_stats | a track's day, week, month, year | track, first day | its figures |
| group_hourly_stats ... | the same of an artist or of everything | group, first day | |
| event_ids | an event | event id | in which collection it is: an id is one event's, of whatever type |
| engagement_intents | a batch that is being stored | batch | what it may change |
| engagement_foundations | all rollups | | their time zone; since when raw events are complete; the job's rounds |
| artists, playlists | | their id | their catalogue entry |

What is open of a track is an hour where traffic is (`hour_bucket`), or a day that it has left (`day_bucket`): `m` the
mark of whoever changed it last, `at` since when it is open, `n` the counts that came since it was last closed. Of an
hour `s` has the marks of its slices (`WHOLE`: of all), of a day `h` the hours to recount (`all`: every one). The closed
totals of a day are in `hours` by hour, and later in `days` as one; `closings` counts how often these were changed.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from backend_api.contract.events import AnyEvent, Download, Like, Play, PlayEnd, Save, Share
from backend_api.contract.wire import at as time_of
from backend_api.db import Document, Index
from backend_api.engagement.events import Event, completion_of, is_skipped
from backend_api.engagement.periods import DAY_SECONDS, Period, Slot
from backend_api.engagement.rollups import Figures, Sums, ratio, to_document

PLAYS = "play_events"
RAW_OF: Mapping[type[AnyEvent], str] = {
    Play: PLAYS,
    PlayEnd: PLAYS,
    Like: "like_events",
    Save: "save_events",
    Share: "share_events",
    Download: "download_events",
}
RAW = tuple(dict.fromkeys(RAW_OF.values()))
TRACKS = "tracks"
TRACK_LIKES = "track_likes"
INTENTS = "engagement_intents"
EVENT_IDS = "event_ids"
FOUNDATIONS = "engagement_foundations"
ARTISTS = "artists"
PLAYLISTS = "playlists"

EVERYTHING = "all"
"""The group of all tracks."""

COUNTED = ("plays", "likes", "unlikes", "saves", "unsaves", "shares", "downloads")
"""The sums that a track's document keeps, in this order."""

WHOLE = "w"
"""In the place of a slice: all of the hour."""


class Family(NamedTuple):
    """Where the figures of tracks, or of groups of them, are kept."""

    key: str
    hours: str
    periods: Mapping[Period, str]


TRACK_STATS = Family(
    "trackId",
    "hourly_stats",
    {"day": "daily_stats", "week": "weekly_stats", "month": "monthly_stats", "year": "yearly_stats"},
)
GROUP_STATS = Family("group", "group_hourly_stats", {"day": "group_daily_stats", "month": "group_monthly_stats"})


def indexes(retention_seconds: int, *, embedded: bool) -> list[Index]:
    """MongoDB removes old raw events itself; on the embedded database the purge does, by a plain index."""
    by_time = [Index(name, ("timestamp",), expire_after_seconds=retention_seconds) for name in RAW]
    if embedded:
        by_time += [Index(name, ("timestamp",)) for name in RAW]
    else:
        by_time.append(Index(EVENT_IDS, ("at",), expire_after_seconds=retention_seconds))
    return [
        Index(PLAYS, ("trackId", "type", "timestamp")),
        Index(PLAYS, ("type", "play")),
        *(Index(name, ("trackId", "timestamp")) for name in RAW if name != PLAYS),
        *by_time,
        Index(TRACKS, ("dirty",)),
        Index(TRACKS, ("artistId",)),
        Index(TRACK_LIKES, ("trackId", "liked")),
        Index(PLAYLISTS, ("ownerId",)),
        Index(INTENTS, ("at",)),
        Index(TRACK_STATS.hours, ("periodStart",)),
        *(
            Index(name, (family.key, "periodStart"))
            for family in (TRACK_STATS, GROUP_STATS)
            for name in (family.hours, *family.periods.values())
        ),
    ]


class Origin(NamedTuple):
    """What is kept of where a batch came from."""

    user_id: str | None = None
    keeps_device: bool = True
    user_agent: str | None = None
    ip: str | None = None
    country: str | None = None


def artist_group(artist_id: str) -> str:
    return f"artist:{artist_id}"


def raw_document(event: Event, origin: Origin, now: float) -> Document:
    """An event as it is kept; fields that say nothing are left out."""
    sent = event.sent
    play_id = sent.play_id if isinstance(sent, Play | PlayEnd) else None
    fields: dict[str, Any] = {
        "_id": event.id,
        "type": sent.type,
        "trackId": sent.track_id,
        "sessionId": sent.session_id,
        "timestamp": time_of(event.at),
        **_own_fields(sent, event.track_seconds),
        "play": None if play_id is None else play_key(sent.track_id, play_id, int(event.at // DAY_SECONDS)),
        "person": event.person,
        "userId": origin.user_id,
        "anonymousId": sent.anonymous_id if origin.keeps_device else None,
        "userAgent": origin.user_agent,
        "ip": origin.ip,
        "country": origin.country,
        "uncounted": event.uncounted,
        "digest": event.digest,
        "createdAt": time_of(now),
    }
    return {name: value for name, value in fields.items() if value is not None}


def play_key(track: str, play_id: str, day: int) -> str:
    """By which the starts and ends of a play are found: those of a day (Unix time in days) and no others."""
    return f"{track}|{play_id}|{day}"


def stats_id(subject: str, first: date) -> str:
    return f"{subject}|{first.isoformat()}"


def hour_key(hour: int) -> str:
    return f"{hour:02d}"


def day_bucket(day: date) -> str:
    return day.isoformat()


def hour_bucket(slot: Slot) -> str:
    """Begins with the bucket of its day."""
    return f"{slot.day}T{hour_key(slot.hour)}"


def stats_document(
    family: Family, subject: str, first: date, start_at: float, figures: Figures, run: int, now: float
) -> Document:
    """A period's figures: named for whoever reads the collection, and beside them what merging needs."""
    return {
        "_id": stats_id(subject, first),
        family.key: subject,
        "periodStart": time_of(start_at),
        **named(figures),
        "figures": to_document(figures),
        "run": run,
        "createdAt": time_of(now),
    }


def named(figures: Figures) -> Document:
    """Totals, averages and rates. Averages and rates are None where there is nothing to divide by."""
    sums = figures.sums
    return {
        "totalPlays": sums.plays,
        "uniquePlays": figures.people.number,
        "totalLikes": sums.likes,
        "totalUnlikes": sums.unlikes,
        "totalShares": sums.shares,
        "totalDownloads": sums.downloads,
        "totalSaves": sums.saves,
        "avgDuration": ratio(sums.duration_ms / 1_000, sums.ended, 3),
        "avgCompletionRate": ratio(sums.completion_parts / 100, sums.completions, 2),
        "skipRate": ratio(sums.skipped, sums.ended, 4),
        "replayRate": ratio(sums.replayed, sums.plays, 4),
    }


def day_totals(sums: Sums) -> tuple[int, ...]:
    return tuple(getattr(sums, name) for name in COUNTED)


def _own_fields(sent: AnyEvent, track_seconds: float) -> dict[str, Any]:
    match sent:
        case Play():
            return {
                "playId": sent.play_id,
                "source": sent.source,
                "playlistId": sent.playlist_id,
                "replayed": sent.replayed,
                **_heard(sent.duration, track_seconds),
            }
        case PlayEnd():
            return {
                "playId": sent.play_id,
                "replayed": sent.replayed,
                **_heard(sent.duration, track_seconds),
            }
        case Like():
            return {"action": sent.action, "source": sent.source}
        case Save():
            return {"action": sent.action, "playlistId": sent.playlist_id}
        case Share():
            return {"platform": sent.platform, "source": sent.source}
        case Download():
            return {"source": sent.source}


def _heard(duration: float | None, track_seconds: float) -> dict[str, Any]:
    if duration is None:
        return {}
    return {
        "duration": duration,
        "trackDuration": track_seconds,
        "completionRate": completion_of(duration, track_seconds),
        "skipped": is_skipped(duration),
    }
