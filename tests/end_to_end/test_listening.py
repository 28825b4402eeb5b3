"""Listening on the real programs: from a socket's life to the listening time, through kills and outages."""

import asyncio
import time

import pytest

from tests.clients import Client
from tests.end_to_end.stays import Stay

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Listener:
    """One playing page."""

    def __init__(self, channel: str, **auth: str) -> None:
        self.auth = {"channelId": channel, "listenerId": "l1", **auth}
        self.client = Client(reconnection=False)
        self.session: dict[str, object] = {}
        self._heard = asyncio.Event()
        self.client.on("session", self._on_session, namespace="/listening")

    def _on_session(self, session: dict[str, object]) -> None:
        self.session = session
        self._heard.set()

    async def play(self, url: str) -> dict[str, object]:
        await self.client.connect(url, transports=["websocket"], auth=self.auth, namespaces=["/listening"])
        async with asyncio.timeout(30):
            await self._heard.wait()
        return self.session

    async def stop(self) -> dict[str, object]:
        return await self.client.call("stop", namespace="/listening", timeout=30)

    async def leave(self) -> None:
        await self.client.disconnect()


def time_of(channel):
    return f"/analytics/channels/{channel}/listening-time?period=today"


def list_of(channel):
    return f"/listening-sessions?channelId={channel}"


def _statuses(data):
    return sorted(session["status"] for session in data["sessions"])


async def until(programs, path, true, seconds=60):
    """The data of the path, once it is as wanted."""
    deadline = time.monotonic() + seconds
    while not true(data := await programs.get(path)):
        assert time.monotonic() < deadline, data
        await asyncio.sleep(0.2)
    return data


async def test_playing_grows_the_listening_time_and_stop_ends_it(shared, name):
    """A start is active at once; a stop is in the record to the second, and acknowledged."""
    listener, stay = Listener(name), Stay()
    session = await stay.begin(listener.play(shared.presence))
    assert session["resumed"] is False
    await until(shared, time_of(name), lambda data: data["activeSessions"] == 1 and data["totalSeconds"] >= 2)
    assert (await stay.end(listener.stop()))["ok"] is True
    data = await until(shared, list_of(name), lambda data: data["sessions"][0]["status"] == "completed")
    (record,) = data["sessions"]
    assert (record["id"], record["listenerId"]) == (session["sessionId"], "l1")
    assert stay.is_as_long_as(record["durationSeconds"])
    await listener.leave()


async def test_a_reload_within_the_grace_stays_one_session(shared, name):
    """The page comes back with its token: the same session, and the seconds between count."""
    page, stay = Listener(name), Stay()
    first = await stay.begin(page.play(shared.presence))
    await page.leave()
    await asyncio.sleep(3)  # Longer than the bounds of the stay are apart.
    again = await (reloaded := Listener(name, sessionToken=first["sessionToken"])).play(shared.presence)
    assert (again["sessionId"], again["resumed"]) == (first["sessionId"], True)
    await stay.end(reloaded.stop())
    other = await (late := Listener(name, sessionToken=first["sessionToken"])).play(shared.presence)
    assert (other["sessionId"] == first["sessionId"], other["resumed"]) == (False, False)
    data = await until(shared, list_of(name), lambda data: _statuses(data) == ["active", "completed"])
    assert stay.is_as_long_as(data["sessions"][1]["durationSeconds"])
    await reloaded.leave()
    await late.leave()


async def test_a_session_that_was_ended_over_http_counts_what_a_socket_plays_with_its_token(shared, name):
    """Presence cannot know of the end: what is played is counted all the same, once."""
    whole, played = Stay(), Stay()
    started = await whole.begin(shared.post("/listening-sessions", {"channelId": name, "listenerId": "l1"}))
    await shared.post(f"/listening-sessions/{started['id']}/end", {"sessionToken": started["sessionToken"]})
    listener = Listener(name, sessionToken=started["sessionToken"])
    await played.begin(listener.play(shared.presence))
    await asyncio.sleep(2.5)
    await whole.end(played.end(listener.stop()))
    data = await until(
        shared, time_of(name),
        lambda data: data["totalSeconds"] >= played.least_seconds and data["activeSessions"] == 0,
    )  # fmt: skip
    assert 1 < played.least_seconds <= data["totalSeconds"] <= whole.most_seconds
    await listener.leave()


async def test_a_killed_presence_server_ends_nobody_and_resumes_by_token(shared, name):
    """Killed outright, a new start, the client back with its token: one session that goes on."""
    first = await Listener(name).play(shared.presence)
    before = await until(shared, time_of(name), lambda data: data["totalSeconds"] >= 1)
    await shared.kill("presence_server")
    await shared.start("presence_server")
    again = await (back := Listener(name, sessionToken=first["sessionToken"])).play(shared.presence)
    assert (again["sessionId"], again["resumed"]) == (first["sessionId"], True)
    data = await until(shared, time_of(name), lambda data: data["totalSeconds"] > before["totalSeconds"])
    assert (data["totalSessions"], data["activeSessions"]) == (1, 1)
    await back.stop()
    await back.leave()


async def test_a_disk_that_is_lost_loses_no_session_that_comes_back(shared, name):
    """Another node with an empty folder takes the token; the record goes on."""
    first = await Listener(name).play(shared.presence)
    before = await until(shared, time_of(name), lambda data: data["totalSeconds"] >= 1)
    await shared.kill("presence_server")
    shared.folder("presence_server").rename(shared.data / name)
    await shared.start("presence_server")
    again = await (back := Listener(name, sessionToken=first["sessionToken"])).play(shared.presence)
    assert (again["sessionId"], again["resumed"]) == (first["sessionId"], True)
    data = await until(
        shared, list_of(name), lambda data: data["sessions"][0]["durationSeconds"] > before["totalSeconds"] + 1
    )
    assert len(data["sessions"]) == 1
    await back.stop()
    await back.leave()


async def test_what_happens_while_the_backend_is_away_arrives_later(shared, name):
    """Sessions start and end without it: each is there once, with its own length."""
    await shared.kill("backend_api")
    stay = Stay()
    stopped = await stay.begin((one := Listener(name)).play(shared.presence))
    playing = await (two := Listener(name, listenerId="l2")).play(shared.presence)
    await asyncio.sleep(2.5)
    await stay.end(one.stop())
    await shared.start("backend_api")
    # The end of one arrives in a report of its own.
    data = await until(shared, list_of(name), lambda data: _statuses(data) == ["active", "completed"])
    by_id = {session["id"]: session for session in data["sessions"]}
    assert by_id[stopped["sessionId"]]["status"] == "completed"
    assert stay.is_as_long_as(by_id[stopped["sessionId"]]["durationSeconds"])
    assert by_id[playing["sessionId"]]["status"] == "active"
    await one.leave()
    await two.leave()
