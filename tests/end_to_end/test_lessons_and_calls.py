"""Lessons and study calls on the real programs: the socket's life in the backend's record, through kills."""

import asyncio
import time

import aiohttp
import socketio
from socketio.exceptions import ConnectionError as Refused

from scripts.stack import tokens

LINK = "/api/teachers/students/s1/zoom"
LESSONS = "/api/admin/teacher-sessions"
CALLS = "/api/study-sessions?userId=ann"


class Page:
    """A page's socket in one of the namespaces of sessions."""

    def __init__(self, namespace: str, **auth: object) -> None:
        self.namespace, self.auth = namespace, auth
        self.client = socketio.AsyncClient(reconnection=False)
        self.session: dict[str, object] = {}
        self._heard = asyncio.Event()
        self.client.on("session", self._on_session, namespace=namespace)

    def _on_session(self, session: dict[str, object]) -> None:
        self.session = session
        self._heard.set()

    async def open(self, url: str) -> dict[str, object]:
        await self.client.connect(url, transports=["websocket"], auth=self.auth, namespaces=[self.namespace])
        async with asyncio.timeout(30):
            await self._heard.wait()
        return self.session

    async def end(self) -> dict[str, object]:
        return await self.client.call("end", namespace=self.namespace)

    async def leave(self) -> None:
        await self.client.disconnect()


async def post(programs, path, body, key=True):
    """The data of an answer to a POST, with the plain internal key or with nothing."""
    headers = {"X-Internal-Request": programs.ring.api_key} if key else {}
    async with (
        aiohttp.ClientSession() as http,
        http.post(programs.backend + path, json=body, headers=headers) as response,
    ):
        assert response.status < 300, await response.text()
        return (await response.json())["data"]


async def until(programs, path, true, seconds=30):
    """The data of the path, once it is as wanted."""
    deadline = time.monotonic() + seconds
    while not true(data := await programs.get(path)):
        assert time.monotonic() < deadline, data
        await asyncio.sleep(0.2)
    return data


async def begun(programs):
    """A lesson that the student has started; its token."""
    link = await post(programs, LINK, {"link": "https://zoom.us/j/1", "teacherId": "t1"})
    await post(programs, "/api/zoom/start", {"token": link["trackingToken"]}, key=False)
    return link["trackingToken"]


async def look(programs):
    """The only lesson, brought up to what the sockets know."""
    await post(programs, "/api/cron/session-timeout", {})
    (lesson,) = (await programs.get(LESSONS))["sessions"]
    return lesson


async def test_a_socket_keeps_a_lesson_and_its_absence_ends_none(programs):
    """Present, away, present again and seen for that long; the `end` event ends it."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    token = await begun(programs)
    page = Page("/tutoring", trackingToken=token)
    await page.open(programs.presence)
    await asyncio.sleep(2.5)
    assert (await look(programs))["present"] is True
    await page.leave()
    await asyncio.sleep(1.5)
    lesson = await look(programs)
    assert (lesson["present"], lesson["sessionStatus"]) == (False, "active")
    assert 2 <= lesson["seenSeconds"] <= 5

    again = Page("/tutoring", trackingToken=token)
    await again.open(programs.presence)
    assert (await again.end())["ok"] is True
    data = await until(programs, LESSONS, lambda data: data["sessions"][0]["sessionStatus"] == "ended")
    (lesson,) = data["sessions"]
    assert lesson["endReason"] == "button"
    assert 3 <= lesson["durationSeconds"] <= 10
    await again.leave()


async def test_a_killed_presence_server_ends_no_lesson(programs):
    """A kill -9 and a new start: the lesson is active, and its page connects again with the same token."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    token = await begun(programs)
    await Page("/tutoring", trackingToken=token).open(programs.presence)
    await asyncio.sleep(6)
    await programs.kill("presence_server")
    await programs.start("presence_server")
    page = Page("/tutoring", trackingToken=token)
    await page.open(programs.presence)
    await asyncio.sleep(1)
    lesson = await look(programs)
    assert (lesson["sessionStatus"], lesson["present"]) == ("active", True)
    assert lesson["seenSeconds"] >= 4
    await page.leave()


async def test_a_forged_link_and_a_guest_are_refused(programs):
    """Neither namespace lets in who cannot show what it asks for."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    for page in (
        Page("/tutoring", trackingToken="A" * 60),
        Page("/tutoring"),
        Page("/study", callId="c1"),
        Page("/study"),
    ):
        try:
            await page.client.connect(
                programs.presence, transports=["websocket"], auth=page.auth, namespaces=[page.namespace]
            )
        except Refused:
            continue
        raise AssertionError(page.auth)


async def test_a_study_call_by_socket(programs):
    """Connect starts it, a reload within the grace stays one session, `end` ends it; the hours of the day have it."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    token = tokens.mint(programs.ring.token_secret, {"sub": "ann"}, now=time.time(), ttl_seconds=600)
    page = Page("/study", token=token, callId="c9")
    session = await page.open(programs.presence)
    await asyncio.sleep(1.5)
    active = await until(programs, "/api/study-sessions/active-calls?userId=ann", lambda data: data["calls"])
    assert active["calls"][0]["callId"] == "c9"
    await page.leave()
    back = Page("/study", token=token, callId="c9", sessionToken=session["sessionToken"])
    again = await back.open(programs.presence)
    assert (again["sessionId"], again["resumed"]) == (session["sessionId"], True)
    await asyncio.sleep(1)
    assert (await back.end())["ok"] is True
    data = await until(programs, CALLS, lambda data: data["sessions"][0]["status"] == "completed")
    (row,) = data["sessions"]
    assert 2 <= row["durationSeconds"] <= 8
    assert row["durationSource"] == "server"
    daily = await programs.get("/api/study-sessions/daily?userId=ann")
    assert sum(day["seconds"] for day in daily["days"]) == row["durationSeconds"]
    await back.leave()


async def test_a_study_call_that_http_began_goes_on_by_socket(programs):
    """The start's token is shown in the handshake: one session, with the time of both."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    said = {"userId": "ann", "callId": "c9"}
    begun = await post(programs, "/api/study-sessions/stream-duration", said | {"action": "start"})
    await asyncio.sleep(1.5)
    token = tokens.mint(programs.ring.token_secret, {"sub": "ann"}, now=time.time(), ttl_seconds=600)
    page = Page("/study", token=token, callId="c9", sessionToken=begun["sessionToken"])
    session = await page.open(programs.presence)
    assert (session["sessionId"], session["resumed"]) == (begun["id"], True)
    await asyncio.sleep(1.5)
    assert (await page.end())["ok"] is True
    data = await until(programs, CALLS, lambda data: data["sessions"][0]["status"] == "completed")
    (row,) = data["sessions"]
    assert (row["id"], 3 <= row["durationSeconds"] <= 10) == (begun["id"], True)
    await page.leave()
