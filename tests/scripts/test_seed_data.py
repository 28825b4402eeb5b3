"""The demo's data: the same for the same day, and nothing a server would refuse."""

import random

from backend_api.contract.events import EVENT
from backend_api.contract.snapshots import Part
from scripts.stack import seed_data

DAY_AT = 1_795_219_200.0


def test_a_day_is_the_same_every_time_and_unlike_the_next():
    """So that seeding again adds nothing, and each day its own."""
    known = seed_data.tracks(random.Random(1))
    first = list(seed_data.plays(known, DAY_AT, 100))
    assert first == list(seed_data.plays(known, DAY_AT, 100))
    ids = {event["eventId"] for event in first}
    assert len(ids) == len(first)
    assert ids.isdisjoint(event["eventId"] for event in seed_data.plays(known, DAY_AT + 86_400, 100))


def test_every_event_is_one_of_the_contract():
    """All kinds occur, and evenings are livelier than nights."""
    events = [EVENT.validate_python(e) for e in seed_data.plays(seed_data.tracks(random.Random(1)), DAY_AT, 2_000)]
    assert {event.type for event in events} == {"play", "playEnd", "like", "save", "share", "download"}
    hours = [event.timestamp.hour for event in events if event.type == "play"]
    assert sum(17 <= hour < 23 for hour in hours) > 3 * sum(2 <= hour < 8 for hour in hours)


def test_every_minute_is_a_part_of_the_contract():
    """Peak above average above minimum; a day is the same every time."""
    minutes = list(seed_data.snapshots("auction:demo", DAY_AT))
    assert len(minutes) == 1_440
    assert minutes == list(seed_data.snapshots("auction:demo", DAY_AT))
    for minute in minutes[:500]:
        Part.model_validate(minute | {"timestamp": "2026-11-21T10:00:00Z"})
