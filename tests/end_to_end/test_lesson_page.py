"""The student's page on the real programs: its socket, its close, by the server's own time."""

import asyncio
import time

import aiohttp
import pytest
from playwright.async_api import expect

from tests.backend_api.browsing import browser

__all__ = ["browser"]

pytestmark = pytest.mark.browser

SESSIONS = "/api/admin/teacher-sessions"


async def test_the_page_is_present_by_its_socket_and_its_close_ends_the_lesson(programs, browser):
    """Joined in a browser: seen through the socket; closed: ended, with seconds that agree with the clock."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    context = await browser.new_context()
    page = await joined(programs, context)
    began = time.monotonic()
    lesson = await lesson_when(programs, lambda lesson: lesson["present"])
    assert lesson["sessionStatus"] == "active"
    await page.close(run_before_unload=True)
    lasted = time.monotonic() - began
    lesson = await lesson_when(programs, lambda lesson: lesson["sessionStatus"] == "ended")
    assert lesson["endReason"] == "pageClose"
    assert abs(lesson["durationSeconds"] - lasted) <= 2
    await context.close()


async def test_an_end_while_the_backend_is_away_counts_from_when_it_was_pressed(programs, browser):
    """The socket's server notes it, the page says it again: whichever arrives first, the lesson ended at the press."""
    await programs.start("backend_api")
    await programs.start("presence_server")
    context = await browser.new_context()
    page = await joined(programs, context)
    await lesson_when(programs, lambda lesson: lesson["present"])
    began = time.monotonic()
    await programs.kill("backend_api")
    await page.get_by_role("button", name="End session").click()
    lasted = time.monotonic() - began
    await expect(page.get_by_text("The session is over.")).to_be_visible()
    await asyncio.sleep(6)
    await programs.start("backend_api")
    await expect(page.get_by_role("heading", name="Session ended")).to_be_visible(timeout=20_000)
    lesson = await lesson_when(programs, lambda lesson: lesson["durationSeconds"] is not None)
    began_before = lesson["clientDurationMinutes"] * 60
    lesson = await lesson_when(programs, lambda lesson: abs(lesson["durationSeconds"] - began_before) <= 2)
    assert (lesson["sessionStatus"], lesson["endReason"]) == ("ended", "button")
    assert lesson["durationSeconds"] >= int(lasted)
    await context.close()


async def joined(programs, context):
    """A page of a new link whose Join was tapped."""
    body = {"link": "https://zoom.us/j/1", "teacherId": "t1"}
    headers = {"X-Internal-Request": programs.ring.api_key}
    async with (
        aiohttp.ClientSession(programs.backend, headers=headers) as http,
        http.post("/api/teachers/students/s1/zoom", json=body) as response,
    ):
        link = (await response.json())["data"]
    await context.route("https://zoom.us/**", lambda route: route.fulfill(body="The meeting"))
    page = await context.new_page()
    await page.goto(link["trackingUrl"])
    await page.get_by_role("button", name="Join now").click()
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    return page


async def lesson_when(programs, true, seconds=60):
    """The only lesson, once it is as wanted; the sweep brings it up to what the sockets know."""
    deadline = time.monotonic() + seconds
    while True:
        (lesson,) = (await programs.get(SESSIONS))["sessions"]
        if true(lesson):
            return lesson
        assert time.monotonic() < deadline, lesson
        await asyncio.sleep(0.3)
