"""Believable data: people with habits, lively evenings, tracks of different fortune. Pure; dice are given."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600
SOURCES = {"playlist": 34, "search": 26, "direct": 14, "landing": 12, "share": 9, "player": 5}
PLATFORMS = {"copy_link": 35, "whatsapp": 25, "instagram": 18, "twitter": 12, "facebook": 7, "embed": 3}
COMPLETED = 0.46
SKIPPED = 0.21


class Artist(NamedTuple):
    """An artist and their tracks; `share` is how much of all plays they get."""

    id: str
    name: str
    share: float
    titles: Sequence[str]


ARTISTS = (
    Artist("lena-voss", "Lena Voss", 0.5, ("Harbour Lights", "Slow Tram", "Paper Boats", "Copper", "Nine to Never")),
    Artist("the-night-desk", "The Night Desk", 0.35, ("Switchboard", "Last Caller", "Static", "Room 14")),
    Artist("okto", "OKTO", 0.15, ("Tentacle", "Low Tide", "Ink")),
)
ROOMS = {
    "auction:demo": 60, "auction:vintage-guitar": 24, "auction:night-train": 35,
    "channel:demo": 48, "channel:jazz-fm": 110,
}  # fmt: skip
COUNTRIES = {"DE": 31, "US": 22, "GB": 14, "FR": 10, "NL": 8, "PL": 6, "BR": 5, "JP": 4}


class Track(NamedTuple):
    """A track; `weight` is how often it is chosen."""

    id: str
    artist: str
    title: str
    seconds: int
    weight: float


def tracks(dice: random.Random) -> list[Track]:
    """The earlier a title is listed, the better it does."""
    return [
        Track(f"{artist.id}-{place + 1}", artist.id, title, dice.randrange(140, 290), artist.share / (place + 1))
        for artist in ARTISTS
        for place, title in enumerate(artist.titles)
    ]


def liveliness(at: float) -> float:
    """How much goes on at a moment (0.1 to 1): most in the evening, more towards the weekend."""
    hour = at % DAY_SECONDS / HOUR_SECONDS
    weekday = int(at // DAY_SECONDS + 3) % 7
    evening = 0.5 + 0.5 * math.cos((hour - 19.5) / 24 * 2 * math.pi)
    return (0.12 + 0.88 * evening * math.sqrt(evening)) * (1.0 if weekday >= 4 else 0.8)


def plays(known: Sequence[Track], day_at: float, number: int) -> Iterator[dict[str, Any]]:
    """A day of about `number` plays and what follows from them; for the same day the same, with the same ids."""
    dice = random.Random(f"plays {day_at:.0f}")  # noqa: S311 - nobody's secret
    weights = [track.weight for track in known]
    for index in range(round(number * dice.uniform(0.85, 1.15))):
        track = dice.choices(known, weights)[0]
        yield from _visit(dice, f"demo-{day_at / DAY_SECONDS:.0f}-{index}", track, moment(dice, day_at))


def country_of(person: str) -> str:
    """Where somebody is, always the same."""
    return random.Random(person).choices([*COUNTRIES], [*COUNTRIES.values()])[0]  # noqa: S311


def snapshots(room: str, day_at: float) -> Iterator[dict[str, Any]]:
    """A room's day, minute by minute: a crowd that grows and shrinks slowly, with some noise; always the same."""
    dice, typical = random.Random(f"{room} {day_at:.0f}"), ROOMS[room]  # noqa: S311
    crowd = typical * liveliness(day_at)
    for minute_at in range(int(day_at), int(day_at) + DAY_SECONDS, 60):
        crowd += (typical * liveliness(minute_at) - crowd) * 0.05 + dice.gauss(0, typical / 60)
        now = max(0, round(crowd))
        low, peak = max(0, now - dice.randrange(3)), now + dice.randrange(4)
        yield {
            "room": room,
            "timestamp": minute_at,
            "viewerCount": now,
            "avgViewers": round((low + now + peak) / 3, 2),
            "peakViewers": peak,
            "minViewers": low,
        }


def _visit(dice: random.Random, name: str, track: Track, at: float) -> Iterator[dict[str, Any]]:
    person = f"listener-{int(dice.paretovariate(0.9) * 7) % 1_900}"
    source = dice.choices([*SOURCES], [*SOURCES.values()])[0]

    def event(kind: str, later: float, **fields: object) -> dict[str, Any]:
        own = {"type": kind, "eventId": f"{name}-{kind}", "trackId": track.id, "timestamp": round((at + later) * 1_000)}
        return {**own, "sessionId": f"{person}-{int(at // DAY_SECONDS)}", "anonymousId": person, **fields}

    heard = _heard(dice, track.seconds)
    yield event("play", 0, playId=name, source=source, replayed=dice.random() < 0.08)
    if dice.random() < 0.93:
        yield event("playEnd", heard, playId=name, duration=heard, trackDuration=track.seconds)
    if dice.random() < 0.055:
        yield event("like", heard / 2, action="like" if dice.random() < 0.94 else "unlike", source="player")
    if dice.random() < 0.03:
        yield event("save", heard / 2, action="save", playlistId="evening-mix")
    if dice.random() < 0.022:
        yield event("share", heard, platform=dice.choices([*PLATFORMS], [*PLATFORMS.values()])[0], source="player")
    if dice.random() < 0.011:
        yield event("download", heard, source="player")


def _heard(dice: random.Random, seconds: int) -> float:
    fate = dice.random()
    if fate < SKIPPED:
        return round(dice.uniform(2, 19.9), 1)
    return float(seconds) if fate < SKIPPED + COMPLETED else round(dice.uniform(20, seconds), 1)


def moment(dice: random.Random, day_at: float) -> float:
    """Some moment of a day, more likely when much goes on."""
    while True:
        at = day_at + dice.random() * DAY_SECONDS
        if dice.random() < liveliness(at):
            return at
