"""Listening on the real programs: from a socket's life to the listening time, through kills and outages."""

import asyncio
import time

import socketio

TIME = "/analytics/channels/c1/listening-time?period=today"
LIST = "/listening-sessions?channelId=c1"


class Listener:
    """One playing page."""

    def __init__(self, **auth: str) -> None:
        self.auth = {"channelId": "c1", "listenerId": "l1", **auth}
        self.client = socketio.AsyncClient(reconnection=False)
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
        return await self.client.call("stop", namespace="/listening")

    async def leave(self) -> None:
        await self.client.disconnect()


def _statuses(data):
    return sorted(session["status"] for session in data["sessions"])


async def until(programs, path, true, seconds=30):
    """The data of the path, once it is as wanted."""
    deadline = time.monotonic() + seconds
    while not true(data := await programs.get(path)):
        assert time.monotonic() < deadline, data
        await asyncio.sleep(0.2)
    return data


async def test_playing_grows_the_listening_time_and_stop_ends_it(programs):
    """A start is active at once; a stop is in the record to the second, and acknowledged."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    listener = Listener()
    session = await listener.play(programs.presence)
    assert session["resumed"] is False
    await until(programs, TIME, lambda data: data["activeSessions"] == 1 and data["totalSeconds"] >= 2)
    assert (await listener.stop())["ok"] is True
    data = await until(programs, LIST, lambda data: data["sessions"][0]["status"] == "completed")
    (record,) = data["sessions"]
    assert (record["id"], record["listenerId"]) == (session["sessionId"], "l1")
    assert 2 <= record["durationSeconds"] <= 6
    await listener.leave()


async def test_a_reload_within_the_grace_stays_one_session(programs):
    """The page comes back with its token: the same session, and the seconds between count."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    first = await (page := Listener()).play(programs.presence)
    await page.leave()
    await asyncio.sleep(2)
    again = await (reloaded := Listener(sessionToken=first["sessionToken"])).play(programs.presence)
    assert (again["sessionId"], again["resumed"]) == (first["sessionId"], True)
    await asyncio.sleep(1)
    await reloaded.stop()
    other = await (late := Listener(sessionToken=first["sessionToken"])).play(programs.presence)
    assert (other["sessionId"] == first["sessionId"], other["resumed"]) == (False, False)
    data = await until(programs, LIST, lambda data: len(data["sessions"]) == 2)
    assert data["sessions"][1]["durationSeconds"] >= 3
    await reloaded.leave()
    await late.leave()


async def test_a_session_that_was_ended_over_http_counts_what_a_socket_plays_with_its_token(programs):
    """Presence cannot know of the end: what is played is counted all the same, once."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    started = await programs.post("/listening-sessions", {"channelId": "c1", "listenerId": "l1"})
    await programs.post(f"/listening-sessions/{started['id']}/end", {"sessionToken": started["sessionToken"]})
    listener = Listener(sessionToken=started["sessionToken"])
    await listener.play(programs.presence)
    await asyncio.sleep(3)
    await listener.stop()
    data = await until(programs, TIME, lambda data: data["totalSeconds"] >= 2 and data["activeSessions"] == 0)
    assert data["totalSeconds"] <= 6
    await listener.leave()


async def test_a_killed_presence_server_ends_nobody_and_resumes_by_token(programs):
    """Killed outright, a new start, the client back with its token: one session, and only the gap may be missing."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    first = await Listener().play(programs.presence)
    await asyncio.sleep(6)
    await programs.kill("presence_server")
    await programs.start("presence_server")
    again = await (back := Listener(sessionToken=first["sessionToken"])).play(programs.presence)
    assert (again["sessionId"], again["resumed"]) == (first["sessionId"], True)
    data = await until(programs, TIME, lambda data: data["totalSeconds"] >= 8)
    assert (data["totalSessions"], data["activeSessions"]) == (1, 1)
    await back.stop()
    await back.leave()


async def test_a_disk_that_is_lost_loses_no_session_that_comes_back(programs):
    """Another node with an empty folder takes the token; the record goes on."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    first = await Listener().play(programs.presence)
    await until(programs, TIME, lambda data: data["totalSeconds"] >= 2)
    await programs.kill("presence_server")
    (programs.data / "presence").rename(programs.data / "lost")
    await programs.start("presence_server")
    again = await (back := Listener(sessionToken=first["sessionToken"])).play(programs.presence)
    assert (again["sessionId"], again["resumed"]) == (first["sessionId"], True)
    data = await until(programs, LIST, lambda data: data["sessions"][0]["durationSeconds"] >= 4)
    assert len(data["sessions"]) == 1
    await back.leave()


async def test_what_happens_while_the_backend_is_away_arrives_later(programs):
    """Sessions start and end without it: each is there once, with its own length."""
    await programs.start("presence_server")
    stopped = await (one := Listener()).play(programs.presence)
    playing = await (two := Listener(listenerId="l2")).play(programs.presence)
    await asyncio.sleep(2)
    await one.stop()
    await programs.start("backend_api")
    # The end of one arrives in a report of its own.
    data = await until(programs, LIST, lambda data: _statuses(data) == ["active", "completed"])
    by_id = {session["id"]: session for session in data["sessions"]}
    assert by_id[stopped["sessionId"]]["status"] == "completed"
    assert 2 <= by_id[stopped["sessionId"]]["durationSeconds"] <= 4
    assert by_id[playing["sessionId"]]["status"] == "active"
    await one.leave()
    await two.leave()
