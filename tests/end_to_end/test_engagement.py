"""Engagement on the real stack: killed in the middle of batches, it has everything once."""

import http.client
import threading
import time

import pytest

BATCHES, SIZE = 30, 100


def send(stack, events):
    """What became of them; None where the backend is gone."""
    try:
        status, answer = stack.call("POST", "/api/stats/events", events)
    except (OSError, http.client.HTTPException):
        return None
    assert status == 200, answer
    return answer["data"]


def until(condition, seconds=150):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.timeout(240)
def test_a_backend_that_is_killed_mid_batch_loses_and_doubles_nothing(start_stack):
    """Every batch is sent until it is answered; counters, rollups and the audit agree with what was sent."""
    stack = start_stack().wait_ready()
    stack.call("PUT", "/api/tracks/t1", {"artistId": "a", "title": "One", "durationSeconds": 180})
    now, seen, broken = round(time.time() * 1_000), 0, 0
    for batch in range(BATCHES):
        events = [
            {"type": "play", "trackId": "t1", "sessionId": "s", "timestamp": now - index * 60_000, "source": "search",
             "eventId": f"b{batch}-{index}"}
            for index in range(SIZE)
        ]  # fmt: skip
        if batch in (8, 19):
            threading.Timer(0.02, stack.kill, ["backend_api"]).start()
        while (data := send(stack, events)) is None:
            broken += 1
            stack.wait_ended()
            stack = start_stack().wait_ready()
        seen += data["accepted"] + data["duplicates"]
    assert broken > 0
    assert seen == BATCHES * SIZE
    until(lambda: stack.call("GET", "/api/admin/rollups")[1]["data"]["openDays"] == 0)
    audit = stack.call("GET", "/api/admin/tracks/t1/audit")[1]["data"]
    assert audit["counters"]["playCount"] == BATCHES * SIZE
    assert audit["equal"]
    figures = stack.call(
        "GET", "/api/stats/analytics?trackId=t1&timeRange=7d",
        headers={"Authorization": f"Bearer {stack.token('admin')}"},
    )[1]["data"]  # fmt: skip
    assert figures["totalPlays"] == BATCHES * SIZE
