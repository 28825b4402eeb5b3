"""Lessons and study calls on the real programs: the socket's life in the backend's record, through kills."""

import asyncio
import time

import pytest
from socketio.exceptions import ConnectionError as Refused

from tests.clients import Client
from tests.end_to_end.lessons import lesson_when
from tests.end_to_end.stays import Stay

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Page:
    """A page's socket in one of the namespaces of sessions."""

    def __init__(self, namespace: str, **auth: object) -> None:
        self.namespace, self.auth = namespace, auth
        self.client = Client(reconnection=False)
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
        return await self.client.call("end", namespace=self.namespace, timeout=30)

    async def leave(self) -> None:
        await self.client.disconnect()


async def until(programs, path, true, seconds=60):
    """The data of the path, once it is as wanted."""
    deadline = time.monotonic() + seconds
    while not true(data := await programs.get(path)):
        assert time.monotonic() < deadline, data
        await asyncio.sleep(0.2)
    return data


async def begun(programs, student):
    """A lesson that the student has started; its token."""
    body = {"link": "https://zoom.us/j/1", "teacherId": f"t-{student}"}
    link = await programs.tell("POST", f"/api/teachers/students/{student}/zoom", body)
    await programs.post("/api/zoom/start", {"token": link["trackingToken"]})
    return link["trackingToken"]


async def test_a_socket_keeps_a_lesson_and_its_absence_ends_none(shared, name):
    """Present, away, present again and seen for that long; the `end` event ends it."""
    lesson, seen = Stay(), Stay()
    token = await lesson.begin(begun(shared, name))
    page = Page("/tutoring", trackingToken=token)
    await seen.begin(page.open(shared.presence))
    await lesson_when(shared, name, lambda lesson: lesson["present"] and lesson["seenSeconds"] >= 2)
    await seen.end(page.leave())
    row = await lesson_when(shared, name, lambda lesson: not lesson["present"])
    assert row["sessionStatus"] == "active"
    assert seen.is_as_long_as(row["seenSeconds"])

    again = Page("/tutoring", trackingToken=token)
    await again.open(shared.presence)
    assert (await lesson.end(again.end()))["ok"] is True
    row = await lesson_when(shared, name, lambda lesson: lesson["sessionStatus"] == "ended")
    assert row["endReason"] == "button"
    assert lesson.is_as_long_as(row["durationSeconds"])
    await again.leave()


async def test_a_killed_presence_server_ends_no_lesson(shared, name):
    """A kill -9 and a new start: the lesson is active, and its page connects again with the same token."""
    token = await begun(shared, name)
    await Page("/tutoring", trackingToken=token).open(shared.presence)
    before = await lesson_when(shared, name, lambda lesson: lesson["present"] and lesson["seenSeconds"] >= 1)
    await shared.kill("presence_server")
    await shared.start("presence_server")
    page = Page("/tutoring", trackingToken=token)
    await page.open(shared.presence)
    lesson = await lesson_when(
        shared, name, lambda lesson: lesson["present"] and lesson["seenSeconds"] > before["seenSeconds"]
    )
    assert lesson["sessionStatus"] == "active"
    await page.leave()


async def test_a_forged_link_and_a_guest_are_refused(shared):
    """Neither namespace lets in who cannot show what it asks for."""
    for page in (
        Page("/tutoring", trackingToken="A" * 60),
        Page("/tutoring"),
        Page("/study", callId="c1"),
        Page("/study"),
    ):
        with pytest.raises(Refused):
            await page.open(shared.presence)


async def test_a_study_call_by_socket(shared, name):
    """Connect starts it, a reload within the grace stays one session, `end` ends it; the hours of the day have it."""
    token = shared.token(sub=name)
    page, stay = Page("/study", token=token, callId=name), Stay()
    session = await stay.begin(page.open(shared.presence))
    active = await until(shared, f"/api/study-sessions/active-calls?userId={name}", lambda data: data["calls"])
    assert active["calls"][0]["callId"] == name
    await page.leave()
    back = Page("/study", token=token, callId=name, sessionToken=session["sessionToken"])
    again = await back.open(shared.presence)
    assert (again["sessionId"], again["resumed"]) == (session["sessionId"], True)
    await asyncio.sleep(1.5)
    assert (await stay.end(back.end()))["ok"] is True
    row = await _completed(shared, name)
    assert stay.is_as_long_as(row["durationSeconds"])
    assert row["durationSource"] == "server"
    daily = await shared.get(f"/api/study-sessions/daily?userId={name}")
    assert sum(day["seconds"] for day in daily["days"]) == row["durationSeconds"]
    await back.leave()


async def test_a_study_call_that_http_began_goes_on_by_socket(shared, name):
    """The start's token is shown in the handshake: one session, with the time of both."""
    said, stay = {"userId": name, "callId": name, "action": "start"}, Stay()
    begun = await stay.begin(shared.tell("POST", "/api/study-sessions/stream-duration", said))
    await asyncio.sleep(1.5)
    token = shared.token(sub=name)
    page = Page("/study", token=token, callId=name, sessionToken=begun["sessionToken"])
    session = await page.open(shared.presence)
    assert (session["sessionId"], session["resumed"]) == (begun["id"], True)
    await asyncio.sleep(1.5)
    assert (await stay.end(page.end()))["ok"] is True
    row = await _completed(shared, name)
    assert row["id"] == begun["id"]
    assert stay.is_as_long_as(row["durationSeconds"])
    await page.leave()


async def _completed(programs, learner):
    """The learner's only session, once it is over."""
    path = f"/api/study-sessions?userId={learner}"
    data = await until(programs, path, lambda data: data["sessions"][0]["status"] == "completed")
    (row,) = data["sessions"]
    return row
