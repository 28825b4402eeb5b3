"""An hour without a backend: what a node kept arrives later, in any order, and every session has its own length."""

import random

import orjson
import pytest

from backend_api.contract.session_tokens import SessionClaims
from presence_server.sessions.intervals import Intervals
from presence_server.sessions.reports import session_bodies
from tests.backend_api.listening.conftest import INTERNAL

HOUR = 3_600


class Node:
    """A presence node that keeps what it cannot deliver."""

    def __init__(self, clock):
        self.clock, self.intervals, self.kept, self.claims = clock, Intervals("n1", 1), [], {}

    def play(self, name):
        now = self.clock()
        claims = self.claims.setdefault(name, SessionClaims("listening", name, now, f"g:{name}", ("c1", "", "")))
        socket = f"{name}-{now}"
        details = {"channel_id": "c1", "listener_id": name}
        self.kept.append(self.intervals.open(socket, claims, f"i-{socket}".replace(".", "-"), details, now))
        return socket

    def leave(self, socket, reason="lost"):
        self.kept.append(self.intervals.close(socket, reason, self.clock(), self.clock()))

    async def deliver(self, api, dice):
        """Everything that waits, shuffled, some of it twice."""
        reports = self.kept + dice.sample(self.kept, len(self.kept) // 2)
        dice.shuffle(reports)
        for at in range(0, len(reports), 3):
            for body in session_bodies(reports[at : at + 3]):
                answer = await api.data("POST", "/internal/v1/sessions", orjson.loads(body), headers=INTERNAL)
                assert {result["status"] for result in answer["results"]} == {"saved"}
        self.kept = []


@pytest.mark.parametrize("seed", range(5))
async def test_an_hour_without_the_backend_loses_and_doubles_nothing(api, clock, seed):
    """Stopped, flapped, begun and ended meanwhile, played on: all as if the backend had been there."""
    dice, node = random.Random(seed), Node(clock)
    assert (await api.lease())["reportOpen"] is True
    stopped, flapped, playing = node.play("stopped"), node.play("flapped"), node.play("playing")
    await node.deliver(api, dice)
    clock.at += 600
    node.leave(stopped, "stop")
    clock.at += 600
    node.leave(flapped)
    clock.at += 10
    node.play("flapped")
    between = node.play("between")
    clock.at += 500
    node.leave(between, "disconnect")
    clock.at += HOUR - 1710
    assert (await api.data("GET", "/listening-sessions?channelId=c1"))["sessions"][0]["status"] == "timeout"

    assert (await api.lease())["reportOpen"] is True
    node.kept += node.intervals.again(clock())
    await node.deliver(api, dice)
    await api.lease()

    listed = (await api.data("GET", "/listening-sessions?channelId=c1"))["sessions"]
    found = {session["id"]: (session["status"], session["durationSeconds"]) for session in listed}
    assert found == {
        "stopped": ("completed", 600), "flapped": ("active", HOUR), "between": ("completed", 500),
        "playing": ("active", HOUR),
    }  # fmt: skip
    time = await api.data("GET", "/analytics/channels/c1/listening-time?period=all_time")
    assert (time["totalSeconds"], time["activeSessions"]) == (600 + 500 + 2 * HOUR, 2)
    clock.at += 30
    node.leave(playing, "stop")
    await node.deliver(api, dice)
    time = await api.data("GET", "/analytics/channels/c1/listening-time?period=today")
    assert time["totalSeconds"] == 600 + 500 + 2 * (HOUR + 30)
