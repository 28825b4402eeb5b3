"""The student's page on the real programs: its socket, its close, by the server's own time."""

import asyncio
import time
from datetime import datetime

from playwright.async_api import expect

from tests.browsing import BROWSER_TESTS, browser, in_its_loop
from tests.end_to_end.lessons import lesson_when
from tests.end_to_end.stays import Stay

__all__ = ["browser"]

pytestmark = BROWSER_TESTS

NOTE_WHAT_IS_SHOWN = """() => {
  window.shown = [];
  const note = new MutationObserver(() => window.shown.push(document.body.innerText));
  note.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


@in_its_loop
async def context(browser):
    """A browser in which the meeting provider is a page of the test's."""
    context = await browser.new_context()
    await context.route("https://zoom.us/**", lambda route: route.fulfill(body="The meeting"))
    yield context
    await context.close()


async def test_the_page_is_present_by_its_socket_and_its_close_ends_the_lesson(shared, name, context):
    """Joined in a browser: seen through the socket; closed: ended, with seconds that agree with the clock."""
    stay = Stay()
    page = await stay.begin(joined(shared, name, context))
    lesson = await lesson_when(shared, name, lambda lesson: lesson["present"])
    assert lesson["sessionStatus"] == "active"

    async def close():
        await page.close(run_before_unload=True)
        return await lesson_when(shared, name, lambda lesson: lesson["sessionStatus"] == "ended")

    lesson = await stay.end(close())
    assert lesson["endReason"] == "pageClose"
    assert stay.is_as_long_as(lesson["durationSeconds"])


async def test_an_end_while_the_backend_is_away_counts_from_when_it_was_pressed(shared, name, context):
    """The socket's server notes it, the page says it again: whichever arrives first, the lesson ended at the press."""
    page = await joined(shared, name, context)
    await lesson_when(shared, name, lambda lesson: lesson["present"])
    await shared.kill("backend_api")
    when = await pressed(page)
    await shared.start("backend_api")
    await ended_within(when, page, shared, name)


async def test_an_end_while_the_backend_hangs_is_heard_at_once(shared, name, context):
    """The page would wait for an answer for ever: the socket's server knows of the end before there is one."""
    page, answer = await hanging(shared, name, context)
    when = await pressed(page)
    answer.set_result(lambda route: route.continue_())
    await ended_within(when, page, shared, name)


async def test_an_end_that_only_the_socket_took_is_no_failure(shared, name, context):
    """The backend refuses what the page says, the socket's server has noted it: the page hears that it is over."""
    page, answer = await hanging(shared, name, context)
    await pressed(page)
    await page.evaluate(NOTE_WHAT_IS_SHOWN)
    answer.set_result(lambda route: route.fulfill(status=409, body="{}"))
    await expect(page.get_by_role("heading", name="Session ended")).to_be_visible(timeout=60_000)
    shown = await page.evaluate("window.shown")
    assert shown and not [text for text in shown if "could not be ended" in text or "Session active" in text]


async def test_an_end_that_is_refused_before_the_socket_took_it_is_no_failure_for_long(shared, name, context):
    """The answer over HTTP may be the quicker one: what is said then is taken back."""
    page, answer = await hanging(shared, name, context)
    answer.set_result(lambda route: route.fulfill(status=409, body="{}"))
    await page.evaluate(NOTE_WHAT_IS_SHOWN)
    await page.get_by_role("button", name="End session").click()
    await expect(page.get_by_role("heading", name="Session ended")).to_be_visible(timeout=60_000)
    assert [text for text in await page.evaluate("window.shown") if "The session is over." in text]


async def hanging(programs, student, context):
    """A page whose first end over HTTP hangs until `answer` says what becomes of it."""
    answer = asyncio.get_running_loop().create_future()
    await context.add_init_script("AbortSignal.timeout = () => new AbortController().signal")

    async def hang(route):
        await (await answer)(route)

    await context.route("**/api/zoom/end-session", hang, times=1)
    page = await joined(programs, student, context)
    await lesson_when(programs, student, lambda lesson: lesson["present"])
    return page, answer


async def pressed(page):
    """Presses End and waits until the socket's server has heard it; between which times that was."""
    pressed_at = time.time()
    await page.get_by_role("button", name="End session").click()
    await expect(page.get_by_text("The session is over.")).to_be_visible()
    return pressed_at, time.time()


async def ended_within(when, page, programs, student):
    """The page hears of the end; once the socket's server has said it too, the record has it when it was pressed."""
    await expect(page.get_by_role("heading", name="Session ended")).to_be_visible()
    lesson = await lesson_when(
        programs,
        student,
        lambda lesson: lesson["sessionStatus"] == "ended" and at(lesson, "sessionEndedAt") <= when[1],
    )
    assert at(lesson, "sessionEndedAt") >= when[0] - 0.01
    assert lesson["endReason"] == "button"
    lasted_ms = round((at(lesson, "sessionEndedAt") - at(lesson, "clickedAt")) * 1000)
    assert lesson["durationSeconds"] == lasted_ms // 1000
    assert lesson["clientDurationMinutes"] is not None


def at(lesson, field):
    return datetime.fromisoformat(lesson[field]).timestamp()


async def joined(programs, student, context):
    """A page of a new link whose Join was tapped."""
    body = {"link": "https://zoom.us/j/1", "teacherId": f"t-{student}"}
    link = await programs.tell("POST", f"/api/teachers/students/{student}/zoom", body)
    page = await context.new_page()
    await page.goto(link["trackingUrl"])
    await page.get_by_role("button", name="Join now").click()
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    return page
