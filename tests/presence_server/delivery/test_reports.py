"""Bodies and what answers to them mean."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract.snapshots import Part
from presence_server.delivery.reports import (
    Fate,
    fate_of,
    invalid_items,
    retry_after_seconds,
    snapshot_bodies,
    wait_seconds,
)
from presence_server.history.windows import MinuteWindow

MINUTE = 1_800_000_000 - 1_800_000_000 % 60


def _part(room: str) -> Part:
    window = MinuteWindow(room, MINUTE, 3, MINUTE)
    window.advance(MINUTE + 60)
    [part] = window.parts("node-1", 7)
    return part


def _answer(*statuses: object) -> bytes:
    return orjson.dumps({"success": True, "data": {"results": [{"status": status} for status in statuses]}})


def test_a_body_holds_at_most_a_thousand_parts_and_no_part_is_lost():
    """In order, and each of them as the contract has it."""
    parts = [_part(f"auction:{number}") for number in range(2_001)]
    bodies = snapshot_bodies(parts)
    batches = [orjson.loads(body)["snapshots"] for body in bodies]
    assert [len(batch) for batch in batches] == [1_000, 1_000, 1]
    assert [Part.model_validate_json(orjson.dumps(item)) for batch in batches for item in batch] == parts
    assert snapshot_bodies([]) == []


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_is_done(status):
    """Only a 2xx makes us forget."""
    assert fate_of(status) is Fate.DONE


@pytest.mark.parametrize("status", [301, 401, 403, 408, 425, 429, 500, 502, 503, 504])
def test_what_may_go_well_later_is_sent_again(status):
    """The contract's list, and what no backend of ours would say."""
    assert fate_of(status) is Fate.AGAIN


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 415, 422])
def test_what_will_never_be_taken_is_set_aside(status):
    """So that it does not block the rest."""
    assert fate_of(status) is Fate.SET_ASIDE


def test_the_items_called_invalid_are_found_by_their_place():
    """With the backend's words; the others are not mentioned."""
    report = orjson.dumps({"snapshots": [{"room": "a:1"}, {"room": "b:2"}, {"room": "c:3"}]})
    answer = orjson.dumps(
        {
            "data": {
                "results": [{"status": "saved"}, {"status": "invalid", "errors": ["x", "y"]}, {"status": "duplicate"}]
            }
        }
    )
    assert invalid_items(report, answer) == [(b'{"room":"b:2"}', "x; y")]


NO_ANSWERS = [
    b"",
    b"<html>ok</html>",
    b"[]",
    b"{}",
    b"null",
    b"\xff",
    b'{"data":{"results":5}}',
    b'{"data":{"results":[{}]}}',
]
NO_ANSWERS += [_answer(5), _answer(), _answer("saved", "saved"), b'{"data":{"results":[null]}}']


@pytest.mark.parametrize("answer", NO_ANSWERS)
def test_a_success_that_does_not_answer_the_batch_is_none(answer):
    """A proxy's page, or results for another number of items."""
    with pytest.raises(ValueError, match=r"."):
        invalid_items(b'{"snapshots":[{"room":"a:1"}]}', answer)


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_a_minute_and_are_jittered(failures, chance):
    """Between half of the doubled wait and all of it, never more than a minute."""
    longest = min(60.0, 2.0 ** min(failures - 1, 10))
    assert longest / 2 <= wait_seconds(failures, 0.0, chance) <= longest


def test_retry_after_is_honoured_within_bounds():
    """A backend may ask for more than our own wait, though not for ever."""
    assert wait_seconds(1, 30.0, 0.5) == 30.0
    assert wait_seconds(1, 1e9, 0.5) == 300.0
    assert wait_seconds(20, 1.0, 0.0) == 30.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("7", 7), (" 7 ", 7), ("soon", 0), ("-3", 0), ("Fri, 15 Jan 2027 08:00:30 GMT", 30), ("²", 0)],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    """What cannot be read asks for nothing."""
    assert retry_after_seconds(header, now=1_800_000_000) == seconds
