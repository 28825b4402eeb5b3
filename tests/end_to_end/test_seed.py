"""`scripts/seed_demo` and `scripts/rebuild_rollups` on the stack that `scripts/up` starts."""

import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from scripts.stack import keyring
from scripts.stack.seed_data import COUNTRIES
from scripts.stack.tokens import mint
from tests.end_to_end.running import ROOT, Stack

DAYS = 3


def run_script(stack, module, *options):
    where = ["--data", stack.data, "--backend", stack.backend]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"scripts.stack.{module}", *where, *options]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_admin(stack):
    token = mint(
        keyring.load(stack.data).token_secret, {"sub": "a", "roles": ["admin"]}, now=time.time(), ttl_seconds=600
    )
    headers = {"Authorization": f"Bearer {token}"}
    return lambda path: stack.call("GET", path, headers=headers)[1]["data"]


def until(condition, seconds=180):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("seed") / "var").wait_ready()
    yield stack
    stack.stop()


def test_rebuilding_ends_while_events_keep_coming(stack):
    """The days that events open are not what it waits for."""
    stack.call("PUT", "/api/tracks/t1", {"artistId": "a", "title": "One", "durationSeconds": 100})
    has_begun, over = threading.Event(), threading.Event()

    def plays():
        number = 0
        while not over.wait(0.05):
            number += 1
            play = {"type": "play", "trackId": "t1", "sessionId": "s", "eventId": f"e{number}", "source": "search"}
            stack.call("POST", "/api/stats/events", [play | {"timestamp": round(time.time() * 1_000)}])
            has_begun.set()

    traffic = threading.Thread(target=plays)
    traffic.start()
    try:
        assert has_begun.wait(60)
        assert "recounted 31 days of tracks" in run_script(stack, "rebuild")
    finally:
        over.set()
        traffic.join()


@pytest.mark.timeout(600)
def test_every_page_has_something_to_show_and_seeding_again_adds_nothing(stack):
    """Rooms beyond the days of minutes, listening, lessons and their statement, study time, countries."""
    options = ["--days", str(DAYS), "--plays", "600"]
    first = run_script(stack, "seed", *options)
    assert f"{stack.backend}/artist/dashboard?artistId=lena-voss#token=" in first
    get = as_admin(stack)
    until(lambda: get("/api/admin/rollups")["openDays"] == 0)
    now = datetime.now(UTC)

    history = get("/api/v1/auctions/demo/analytics/viewers?timeRange=30d")["summary"]
    assert history["totalSnapshots"] > (DAYS - 0.1) * 1_440
    assert get("/analytics/channels/demo/listening-time?period=all_time")["totalSessions"] > 15 * DAYS
    assert len(get("/analytics/channels/demo/listeners")["countries"]) > 3
    since = (now - timedelta(days=DAYS)).date()
    lessons = get(f"/api/admin/teacher-sessions?from={since}")
    assert lessons["statistics"]["total"] >= DAYS
    months = {f"{day:%Y-%m}" for day in (now, now - timedelta(days=DAYS))}
    assert any(get(f"/api/admin/teacher-statements?month={month}")["lines"] for month in months)
    study = get(f"/api/study-sessions/daily?userId=demo-learner&from={since}")["days"]
    assert sum(day["hours"] > 0 for day in study) >= 1
    found = get("/api/stats/analytics?timeRange=30d")
    assert found["totalPlays"] > 60
    assert set(found["countryBreakdown"]) <= set(COUNTRIES) and len(found["countryBreakdown"]) > 3

    again = run_script(stack, "seed", *options)
    new = [int(number) for number in re.findall(r"(\d+) [a-z ]+(?:,| are new)", again.splitlines()[0])]
    assert len(new) == 4
    # Between the two runs an hour may have ended and somebody may have played something.
    assert new[0] == 0 and max(new) <= 5 * 60
    assert (
        get("/api/admin/teacher-sessions?from=" + str(since))["statistics"]["total"]
        <= lessons["statistics"]["total"] + 2
    )
