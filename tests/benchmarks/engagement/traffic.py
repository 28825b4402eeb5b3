"""Events as batches leave them in the database: plays, and for three of four an end and something else after."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

from backend_api.contract.wire import at
from backend_api.db import Mongo
from backend_api.engagement.documents import play_key

DAY = 86_400
AT_ONCE = 2_000
OTHERS = ["like", "like", "save", "share", "download"]
OWN = {
    "like": {"action": "like", "source": "player"},
    "save": {"action": "save", "playlistId": "pl"},
    "share": {"platform": "embed", "source": "player"},
    "download": {"source": "player"},
}

Stored = tuple[str, dict[str, Any]]
"""An event and its type."""


def happenings(number: int, play: Callable[[], tuple[str, float]], dice: Random) -> Iterator[Stored]:
    """At least so many events; `play` gives the track and the moment of one, the rest comes of it within a minute."""
    done = 0
    while done < number:
        (track, moment), play_id = play(), f"p{done}"
        started = {"playId": play_id, "play": play_key(track, play_id, int(moment // DAY))}
        end = {"duration": 60.0, "trackDuration": 180.0, "completionRate": 33.33, "skipped": False}
        kinds: list[tuple[str, float, dict[str, Any]]] = [("play", moment, started | {"source": "search"})]
        if dice.random() < 0.75:
            later = {"play": play_key(track, play_id, int((moment + 60) // DAY))}
            kinds.append(("playEnd", moment + 60, started | later | end))
        if dice.random() < 0.75:
            kinds.append((kind := dice.choice(OTHERS), moment + 1, OWN[kind]))
        for kind, at_, own in kinds:
            yield kind, _stored(f"e{done}", kind, track, at_, f"u:{dice.randrange(50_000)}", own)
            done += 1


async def fill(mongo: Mongo, events: Iterable[Stored], advance: Callable[[int], object]) -> None:
    """Puts raw events where they belong, AT_ONCE at a time."""
    waiting: dict[str, list[dict[str, Any]]] = {}
    number = 0
    for kind, document in events:
        waiting.setdefault("play_events" if kind == "playEnd" else f"{kind}_events", []).append(document)
        number += 1
        if number == AT_ONCE:
            await _insert(mongo, waiting)
            advance(number)
            waiting, number = {}, 0
    await _insert(mongo, waiting)
    advance(number)


async def _insert(mongo: Mongo, by_collection: dict[str, list[dict[str, Any]]]) -> None:
    await asyncio.gather(*(mongo[name].insert_many(some, ordered=False) for name, some in by_collection.items()))


def _stored(event_id: str, kind: str, track: str, moment: float, person: str, own: dict[str, Any]) -> dict[str, Any]:
    return {
        "_id": event_id, "type": kind, "trackId": track, "sessionId": "s", "timestamp": at(moment), "country": "DE",
        "person": person, "digest": b"0" * 16, "createdAt": at(moment), "userAgent": "Mozilla/5.0 " + "x" * 90,
        "ip": "203.0.113.0", **own,
    }  # fmt: skip
