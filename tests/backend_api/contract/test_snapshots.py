"""The messages that carry viewer history."""

import pytest
from pydantic import ValidationError

from backend_api.contract.snapshots import Part, Point, RoomPart, RoomSettings
from backend_api.contract.wire import at, rfc3339

MINIMUM = {"viewerCount": 3, "avgViewers": 2.5, "peakViewers": 4}
PART = MINIMUM | {"room": "auction:demo", "node": "n1", "boot": 7, "timestamp": "2026-11-21T10:00:00Z"}


def test_three_figures_are_enough_for_a_part():
    """Everything else has a meaning when left out: the current minute, no node, twelve samples."""
    part = RoomPart.model_validate(MINIMUM)
    assert (part.timestamp, part.node, part.sample_count) == (None, None, 12)


@pytest.mark.parametrize(
    "change",
    [{"viewerCount": "3"}, {"viewerCount": 3.5}, {"viewerCount": -1}, {"viewerCount": True}, {"peakViewers": 2},
     {"avgViewers": float("nan")}, {"avgViewers": -1}, {"minViewers": 5}, {"sampleCount": 13}, {"surprise": 1},
     {"timestamp": "2026-11-21T10:00:00"}, {"timestamp": "yesterday"}, {"node": "a|b"}, {"node": ""}, {"boot": "7"},
     {"room": "demo"}, {"room": {"$ne": ""}}, {"slots": [[0, 1, 1, 1, 1, 5, 5]] * 2},
     {"slots": [[12, 1, 1, 1, 1, 5, 5]]},
     {"slots": [[0, 1, 2, 2, 1, 5, 5]]}, {"slots": [[0, 1, 1, 1, 1, 5, 6]]}, {"slots": [[0, 1, 1, 1, 1, 5]]},
     {"slots": [[0, 1, 1, 1, 1, 5, 5]], "node": None},
     {"avgViewers": "2.5"}, {"avgViewers": True}, {"slots": [[0, 1, 1, 1, 1, "5", 5]]},
     {"slots": [[0, 1, 1, 1, 1, 5, True]]}, {"timestamp": 1_795_243_303}, {"timestamp": "1795243303"},
     {"timestamp": "2026-11-21"}, {"timestamp": "2026-11-21T10:00Z"}, {"timestamp": True},
     {"viewerCount": 5}, {"minViewers": 3}, {"slots": [[0, 5, 5, 5, 5, 0, 5]]},
     {"slots": [[0, 1, 1, 1, 1, 1e8, 0.001]]}, {"slots": [[0, 1, 1, 2, 2, 10.1, 5]]}],
)  # fmt: skip
def test_an_impossible_part_is_refused(change):
    """Wrong types, unknown fields, figures that contradict each other, slots of nobody."""
    with pytest.raises(ValidationError):
        Part.model_validate(PART | change)


def test_a_timestamp_with_an_offset_is_kept_in_utc():
    """12:30 at +02:00 is 10:30 in UTC."""
    part = Part.model_validate(PART | {"timestamp": "2026-11-21T12:30:00+02:00"})
    assert rfc3339(part.timestamp) == "2026-11-21T10:30:00Z"


def test_a_point_is_written_in_camel_case_with_z():
    """What dashboards read: contract names, RFC 3339 in UTC."""
    point = Point(timestamp=at(0), viewer_count=1, avg_viewers=1.0, peak_viewers=1, min_viewers=1, sample_count=12)
    assert point.model_dump_json(by_alias=True).startswith('{"timestamp":"1970-01-01T00:00:00Z","viewerCount":1,')


@pytest.mark.parametrize(
    "change",
    [{"avgViewers": 3, "minViewers": 3}, {"avgViewers": 2.99, "minViewers": 3}, {"viewerCount": 4},
     {"slots": [[0, 1, 1, 2, 2, 7.5, 5]]}, {"slots": [[0, 1000, 1000, 1000, 1000, 0.5, 0.001]]},
     {"slots": [[0, 1000, 1000, 1000, 1000, 0.4, 0]], "minViewers": 3}, {"timestamp": at(1_795_243_303)},
     {"timestamp": "2026-11-21 10:00:00.123+01:00"}, {"timestamp": "2026-11-21t10:00:00z"}],
)  # fmt: skip
def test_rounded_figures_and_whole_numbers_are_possible(change):
    """Milliseconds and hundredths are as exact as the wire is; a whole number is an average too."""
    Part.model_validate(PART | change)


@pytest.mark.parametrize("value", ["off", "yes", 1, 0, None])
def test_a_switch_is_true_or_false(value):
    """Nothing that only looks like it."""
    with pytest.raises(ValidationError):
        RoomSettings.model_validate({"enableViewerAnalytics": value})
