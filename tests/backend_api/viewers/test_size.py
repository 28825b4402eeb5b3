"""What a minute of history weighs."""

import random

import bson
import pytest

from backend_api.contract.snapshots import RoomPart
from backend_api.contract.wire import at, rfc3339
from backend_api.viewers.documents import DAYS, HOURS, MARKS, PARTS, ROOMS

HOUR = 3_600
MINUTES = 24 * 60
LONGEST_ROOM = f"{'k' * 32}:{'i' * 128}"


def lively_part(minute_at, dice, count):
    """A minute in which people come and go in every slot; and who is there at its end."""
    slots = []
    for number in range(12):
        first = count
        count = max(0, count + dice.randrange(-9, 10))
        low, high = max(0, min(first, count) - dice.randrange(3)), max(first, count) + dice.randrange(3)
        slots.append([number, first, low, high, count, round(dice.uniform(low, high) * 5, 3), 5])
    fields = {"timestamp": rfc3339(at(minute_at)), "viewerCount": count, "avgViewers": 0, "peakViewers": 10**6}
    node = {"node": "presence-frankfurt-1", "boot": 1_795_257_000_123, "roster": ["presence-frankfurt-1"]}
    return RoomPart.model_validate(fields | node | {"slots": slots, "joins": 40, "leaves": 40}), count


def cut_by_restarts(part, boots):
    """The same minute as so many boots of the node report it, each with its share of the slots."""
    size = len(part.slots) // boots
    return [
        part.model_copy(update={"boot": part.boot + 20_000 * n, "slots": part.slots[n * size : (n + 1) * size]})
        for n in range(boots)
    ]


@pytest.mark.parametrize(
    ("room", "boots", "most_bytes"),
    [("auction:spring-sale-lot-4711", 1, 400), (LONGEST_ROOM, 1, 420), ("auction:spring-sale-lot-4711", 3, 600)],
    ids=["usual", "the longest name", "two restarts in every minute"],
)
async def test_what_a_minute_takes_once_its_hour_is_closed(viewers_once, room, boots, most_bytes):
    """Of one node and a room of three thousand that never rests: 400 bytes, its parts included.

    Measured is the BSON of all documents of a day, divided by its minutes, without indexes and the storage engine's
    compression. The parts, most of it, are kept for eight days; what stays longer takes 40 bytes at most in any room.
    """
    viewers, dice, count = viewers_once, random.Random(1), 3_000
    start = int(viewers.clock()) // HOUR * HOUR
    viewers.clock.at = start + 25 * HOUR
    parts = []
    for minute in range(MINUTES):
        part, count = lively_part(start + 60 * minute, dice, count)
        parts += cut_by_restarts(part, boots)
    for first in range(0, len(parts), 500):
        await viewers.take(*parts[first : first + 500], room=room)
    await viewers.packer.run()
    sizes = {}
    for name in (PARTS, HOURS, DAYS, MARKS, ROOMS):
        documents = await viewers.mongo[name].find({}).to_list(None)
        sizes[name] = sum(len(bson.encode(document)) for document in documents) / MINUTES
    print(
        f"bytes per room and minute: {sum(sizes.values()):.0f}", {name: round(size, 1) for name, size in sizes.items()}
    )
    assert sizes[PARTS] > 100
    assert sizes[MARKS] == 0
    assert sum(sizes.values()) <= most_bytes
    assert 0 < sizes[HOURS] + sizes[DAYS] <= 40
