"""What a minute of history weighs."""

import random

import bson

from backend_api.contract.snapshots import RoomPart
from backend_api.contract.wire import at, rfc3339
from backend_api.viewers.documents import DAYS, HOURS, MARKS, PARTS, ROOMS

HOUR = 3_600
ROOM = "auction:spring-sale-lot-4711"


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


async def test_a_minute_takes_at_most_400_bytes_once_its_hour_is_closed(viewers_once):
    """Parts, hours, days and all else together, of one node, in a room of three thousand that never rests."""
    viewers, dice, count = viewers_once, random.Random(1), 3_000
    start = int(viewers.clock()) // HOUR * HOUR
    viewers.clock.at = start + 25 * HOUR
    parts = []
    for minute in range(24 * 60):
        part, count = lively_part(start + 60 * minute, dice, count)
        parts.append(part)
    for first in range(0, len(parts), 500):
        await viewers.take(*parts[first : first + 500], room=ROOM)
    await viewers.packer.run()
    sizes = {}
    for name in (PARTS, HOURS, DAYS, MARKS, ROOMS):
        documents = await viewers.mongo[name].find({}).to_list(None)
        sizes[name] = sum(len(bson.encode(document)) for document in documents) / len(parts)
    print(
        f"bytes per room and minute: {sum(sizes.values()):.0f}", {name: round(size, 1) for name, size in sizes.items()}
    )
    assert sizes[MARKS] == 0
    assert sum(sizes.values()) <= 400
    assert sizes[HOURS] + sizes[DAYS] <= 40
