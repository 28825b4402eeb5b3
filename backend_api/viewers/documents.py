"""The collections of viewer history: their names, keys, indexes and documents. Does no I/O.

| collection | one document for | `_id` | holds |
|---|---|---|---|
| viewer_parts | a part | digest of the room, minute, node, boot, number | packed slots, roster |
| viewer_hours | a room's closed hour | room, hour | its packed minutes |
| viewer_days | a room's day | room, day | each hour and its quarters, packed, under the hour's number |
| viewer_marks | a reason to pack an hour (again) | room, hour, who marked it | |
| viewer_rooms | a room that has history | room | first minute, latest minute known |
| room_settings | a room that was switched | room | its switch, the newest signatures that set it |

`r` is the room, `t` the start of what the document is about, `e` its end.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from pymongo import UpdateOne

from backend_api.contract.snapshots import RoomPart
from backend_api.contract.wire import at as time_of
from backend_api.db import Document, Index
from backend_api.viewers.history import (
    HOUR_SECONDS,
    MINUTE_SECONDS,
    NO_NODE,
    QUARTER_SECONDS,
    NodePart,
    Stretch,
    bucketed,
    node_part,
)
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.packing import pack_slots, pack_stretches, unpack_slots, unpack_stretches
from backend_api.viewers.ranges import DAY_SECONDS, Span, floor_to

PARTS = "viewer_parts"
HOURS = "viewer_hours"
DAYS = "viewer_days"
MARKS = "viewer_marks"
ROOMS = "viewer_rooms"
SETTINGS = "room_settings"

_SEPARATOR = "|"
_ITSELF = "="
"""The roster of a node that knows of no other; no node's name holds it."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A part that is to be stored, with the start of its minute."""

    room: str
    minute_at: int
    part: RoomPart

    @property
    def hour_at(self) -> int:
        return floor_to(self.minute_at, HOUR_SECONDS)


def indexes(keeping: Keeping) -> list[Index]:
    """Every index of these collections."""
    summaries = int(keeping.summaries_seconds)
    return [
        Index(PARTS, ("r", "t")),
        Index(PARTS, ("t",), expire_after_seconds=int(keeping.parts_seconds)),
        Index(HOURS, ("r", "t")),
        Index(HOURS, ("e",), expire_after_seconds=int(keeping.minutes_seconds)),
        Index(DAYS, ("r", "t")),
        Index(DAYS, ("e",), expire_after_seconds=summaries),
        Index(MARKS, ("r", "t")),
        Index(MARKS, ("t", "r")),
        Index(ROOMS, ("r",)),
        Index(ROOMS, ("l",), expire_after_seconds=summaries),
        Index(SETTINGS, ("u",)),
    ]


def part_document(arrived: Arrived) -> Document:
    """Its `_id` is what makes a second delivery a duplicate, and of parts without a node all but the first."""
    part = node_part(arrived.part)
    names: list[object] = [_digest(arrived.room), arrived.minute_at // MINUTE_SECONDS, part.node]
    names.append("" if part.node == NO_NODE or arrived.part.boot is None else part.boot)
    if part.node != NO_NODE and arrived.part.part is not None:
        names.append(part.number)
    document: Document = {
        "_id": _key(*names),
        "r": arrived.room,
        "t": time_of(arrived.minute_at),
        "s": pack_slots(part.slots),
    }
    if part.roster is not None:
        document["n"] = _ITSELF if part.roster == {part.node} else ",".join(sorted(part.roster))
    return document


def part_of(document: Document) -> NodePart:
    _room, _minute, node, boot, *number = document["_id"].split(_SEPARATOR)
    roster = frozenset(document["n"].replace(_ITSELF, node).split(",")) - {""} if "n" in document else None
    return NodePart(node, int(boot or 0), int(number[0]) if number else 0, unpack_slots(document["s"]), roster)


def mark_document(room: str, hour_at: int, marked_by: str) -> Document:
    return {"_id": _key(room, hour_at // HOUR_SECONDS, marked_by), "r": room, "t": time_of(hour_at)}


def room_update(room: str, first_at: int, last_at: int) -> UpdateOne:
    """Makes a room known, with history at these minutes."""
    change = {"$min": {"f": time_of(first_at)}, "$max": {"l": time_of(last_at)}, "$setOnInsert": {"r": room}}
    return UpdateOne({"_id": room}, change, upsert=True)


def first_minute_of(room: Document) -> int:
    return _at(room["f"])


def hour_key(room: str, hour_at: int) -> str:
    return _key(room, hour_at // HOUR_SECONDS)


def hour_document(room: str, hour_at: int, minutes: Sequence[Stretch]) -> Document:
    return {
        "_id": hour_key(room, hour_at),
        "r": room,
        "t": time_of(hour_at),
        "e": time_of(hour_at + HOUR_SECONDS),
        "m": pack_stretches(minutes, hour_at, MINUTE_SECONDS),
    }


def minutes_of(document: Document) -> list[Stretch]:
    return unpack_stretches(document["m"], _at(document["t"]), MINUTE_SECONDS)


def day_key(room: str, hour_at: int) -> str:
    return _key(room, hour_at // DAY_SECONDS)


def day_update(room: str, hour_at: int, minutes: Sequence[Stretch]) -> UpdateOne:
    """Sets one hour of a day; hours are fields of their own, so that the order in which they are packed is free."""
    day_at = floor_to(hour_at, DAY_SECONDS)
    hour = bucketed(minutes, lambda _at: hour_at)
    quarters = bucketed(minutes, lambda at: floor_to(at, QUARTER_SECONDS))
    number = _hour_of_day(hour_at)
    packed = {
        f"h.{number}": pack_stretches(hour, hour_at, HOUR_SECONDS),
        f"q.{number}": pack_stretches(quarters, hour_at, QUARTER_SECONDS),
    }
    about = {"r": room, "t": time_of(day_at), "e": time_of(day_at + DAY_SECONDS)}
    return UpdateOne({"_id": day_key(room, hour_at)}, {"$set": packed, "$setOnInsert": about}, upsert=True)


def day_projection(grain_seconds: int) -> dict[str, int]:
    """What `summaries_of` needs of a day's document at that grain (an hour or a quarter)."""
    return {"t": 1, _DAY_FIELDS[grain_seconds]: 1}


def summaries_of(document: Document, grain_seconds: int) -> dict[int, list[Stretch]]:
    """The stretches of a day by the start of their hour."""
    day_at = _at(document["t"])
    packed: dict[str, bytes] = document.get(_DAY_FIELDS[grain_seconds], {})
    starts = {day_at + int(number) * HOUR_SECONDS: data for number, data in packed.items()}
    return {hour_at: unpack_stretches(data, hour_at, grain_seconds) for hour_at, data in starts.items()}


_DAY_FIELDS = {HOUR_SECONDS: "h", QUARTER_SECONDS: "q"}


def within(room: str, span: Span) -> Document:
    """The filter for a room's documents that start in the span."""
    return {"r": room, "t": {"$gte": time_of(span.start_at), "$lt": time_of(span.end_at)}}


def at_of(document: Document) -> int:
    return _at(document["t"])


def _hour_of_day(hour_at: int) -> int:
    return hour_at % DAY_SECONDS // HOUR_SECONDS


def _digest(room: str) -> str:
    """Twelve characters instead of up to 161: parts are the bulk of what is kept."""
    return urlsafe_b64encode(blake2b(room.encode(), digest_size=9).digest()).decode()


def _key(*names: object) -> str:
    return _SEPARATOR.join(map(str, names))


def _at(moment: datetime) -> int:
    return round(moment.timestamp())
