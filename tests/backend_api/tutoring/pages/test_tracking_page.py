"""The student's page in a real browser, the server's clock moved by the test."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from tests.backend_api.program import API_KEY
from tests.browsing import BROWSER_TESTS, in_its_loop

pytestmark = BROWSER_TESTS

ADMIN = {"sub": "boss", "roles": ["admin"]}


@asynccontextmanager
async def opened(browser):
    context = await browser.new_context()
    await context.route(
        "https://zoom.us/**", lambda route: route.fulfill(body="<h1>The meeting</h1>", content_type="text/html")
    )
    yield context
    await context.close()


@in_its_loop
async def context(browser):
    """A browser in which the meeting provider is a page of the test's."""
    async with opened(browser) as context:
        yield context


@in_its_loop
async def blocking_context(whole_browser):
    """The same with a popup blocker."""
    async with opened(whole_browser) as context:
        yield context


@pytest.fixture
def path_of(api):
    """Where the page of a link is on this test's backend."""
    return lambda link: api.url + link["trackingUrl"].removeprefix("https://lessons.test")


async def session_of(api, link):
    page = await api.data("GET", "/api/admin/teacher-sessions", claims=ADMIN)
    (row,) = [row for row in page["sessions"] if row["id"] == link["id"]]
    return row


@asynccontextmanager
async def eventually(seconds=30):
    async with asyncio.timeout(seconds):
        yield


async def until(api, link, **wanted):
    """Waits until the record has these values."""
    async with eventually():
        while True:
            row = await session_of(api, link)
            if all(row[name] == value for name, value in wanted.items()):
                return row
            await asyncio.sleep(0.02)


async def joined(context, path):
    """A page whose Join was tapped, and the tab that it opened."""
    page = await context.new_page()
    await page.goto(path)
    async with context.expect_page() as opening:
        await page.get_by_role("button", name="Join now").click()
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    return page, await opening.value


async def test_opening_the_page_starts_nothing_and_hides_the_token(api, make_link, context, path_of):
    """The address has no token left, the page no link to the meeting, the record no start."""
    link = await make_link()
    page = await context.new_page()
    response = await page.goto(path_of(link))
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    await expect(page.get_by_role("heading", name="Your lesson")).to_be_visible()
    assert page.url == f"{api.url}/api/zoom/track"
    assert "zoom.us/j" not in await page.content()
    assert (await session_of(api, link))["sessionStatus"] == "pending"


async def test_join_opens_the_meeting_in_a_new_tab(api, make_link, blocking_context, path_of):
    """Within the tap, so that no popup blocker is in the way; the new tab cannot reach back."""
    link = await make_link()
    _, meeting = await joined(blocking_context, path_of(link))
    await meeting.wait_for_url("https://zoom.us/**")
    assert await meeting.evaluate("window.opener") is None
    assert (await session_of(api, link))["sessionStatus"] == "active"


async def test_the_countdown_starts_the_lesson(api, make_link, context, path_of):
    """After five seconds without a tap the lesson is on; a blocked tab is offered as a link."""
    link = await make_link()
    page = await context.new_page()
    # The tools that drive the browser count as taps: what a blocker does is done by hand.
    await page.add_init_script("window.open = () => null")
    await page.clock.install()
    await page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    await page.goto(path_of(link))
    await expect(page.get_by_role("heading", name="Your lesson")).to_be_visible()
    await page.clock.run_for(2_000)
    await expect(page.get_by_text("3", exact=True)).to_be_visible()
    assert (await session_of(api, link))["sessionStatus"] == "pending"
    await page.clock.run_for(3_000)
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    await expect(page.get_by_role("link", name="Open the meeting")).to_have_attribute(
        "href", "https://zoom.us/j/1234567890?pwd=secret"
    )
    await expect(page.get_by_text("kept the new tab closed")).to_be_visible()


async def test_end_ends_it(api, make_link, context, path_of):
    """The End button, and the minutes by the server's clock."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    api.clock.at += 185
    await page.get_by_role("button", name="End session").click()
    await expect(page.get_by_role("heading", name="Session ended")).to_be_visible()
    await expect(page.get_by_text("It lasted 3 minutes.")).to_be_visible()
    row = await session_of(api, link)
    assert (row["endReason"], row["durationSeconds"]) == ("button", 185)


async def test_a_reload_is_the_same_lesson(api, make_link, context, path_of):
    """The timer goes on from the start, the way to the meeting is still there."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    api.clock.at += 65
    await page.reload()
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    await expect(page.get_by_role("timer")).to_contain_text("1:0")
    await expect(page.get_by_role("link", name="Open the meeting")).to_have_attribute(
        "href", "https://zoom.us/j/1234567890?pwd=secret"
    )
    row = await until(api, link, sessionStatus="active")
    assert row["sessionEndedAt"] is None


async def test_closing_the_page_ends_the_lesson(api, make_link, context, path_of):
    """The beacon says so, to the second of the server's clock."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    api.clock.at += 600
    await page.close(run_before_unload=True)
    row = await until(api, link, sessionStatus="ended")
    assert (row["endReason"], row["durationSeconds"]) == ("pageClose", 600)


async def test_leaving_for_another_site_ends_the_lesson(api, make_link, context, path_of):
    """The page is gone for good in this way too."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    api.clock.at += 300
    await page.goto("https://zoom.us/elsewhere")
    row = await until(api, link, sessionStatus="ended")
    assert row["endReason"] == "pageClose"


@pytest.mark.parametrize(("away_seconds", "heading"), [(80, "Session active"), (100, "Session ended")])
async def test_the_way_back_from_another_site(api, make_link, context, path_of, away_seconds, heading):
    """Within the grace of a page's close the lesson goes on; after it, it ended when the page was left."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    api.clock.at += 300
    await page.goto("https://zoom.us/elsewhere")
    await until(api, link, sessionStatus="ended")
    api.clock.at += away_seconds
    await page.go_back()
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    row = await session_of(api, link)
    assert row["durationSeconds"] == (None if heading == "Session active" else 300)


async def test_a_lesson_from_curl_to_the_statement(api, context, path_of):
    """Made with curl, counted down, three minutes behind another tab, closed: page and statement have the seconds."""
    asked = ["-H", f"X-Internal-Request: {API_KEY}", "-H", "Content-Type: application/json"]
    body = json.dumps({"link": "https://zoom.us/j/1", "teacherId": "t1"})
    curl = ["curl", "-sS", "--fail", *asked, "-d", body, f"{api.url}/api/teachers/students/s1/zoom"]
    made = await asyncio.create_subprocess_exec(*curl, stdout=asyncio.subprocess.PIPE)
    link = json.loads((await made.communicate())[0])["data"]
    page = await context.new_page()
    await page.add_init_script("window.open = () => null")
    await page.goto(path_of(link))
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible(timeout=45_000)
    meeting = await context.new_page()
    await meeting.goto("https://zoom.us/j/1")
    await meeting.bring_to_front()
    await page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    api.clock.at += 180
    assert (await session_of(api, link))["sessionStatus"] == "active"
    await page.close(run_before_unload=True)
    row = await until(api, link, sessionStatus="ended")
    assert (row["endReason"], row["durationSeconds"], row["sessionDurationMinutes"]) == ("pageClose", 180, 3)

    await context.clock.set_fixed_time(datetime.fromtimestamp(api.clock(), UTC))
    token = api.token(**ADMIN)
    admin = await context.new_page()
    await admin.goto(f"{api.url}/admin/teacher-sessions#token={token}")
    await expect(admin.get_by_role("row", name="Sam").first).to_contain_text("3:00")
    await admin.goto(f"{api.url}/admin/statements#token={token}")
    line = admin.get_by_role("row", name="Tara")
    await expect(line).to_contain_text("3:00")
    await expect(line).to_contain_text("10.00 EUR")


async def test_being_away_is_no_end(api, make_link, context, path_of):
    """Hidden behind the meeting and frozen as phones do it for an hour, then back: still one lesson."""
    link = await make_link()
    page, meeting = await joined(context, path_of(link))
    await meeting.bring_to_front()
    devtools = await context.new_cdp_session(page)
    await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    api.clock.at += 3_600
    assert (await api.data("POST", "/api/admin/auto-timeout", claims=ADMIN))["timedOut"] == 0
    await devtools.send("Page.setWebLifecycleState", {"state": "active"})
    await page.bring_to_front()
    await page.get_by_role("button", name="End session").click()
    row = await until(api, link, sessionStatus="ended")
    assert (row["endReason"], row["durationSeconds"]) == ("button", 3_600)


async def test_a_forged_link_says_so(api, context):
    """And starts nothing."""
    page = await context.new_page()
    await page.goto(f"{api.url}/api/zoom/track?token=forged")
    await expect(page.get_by_role("heading", name="This link does not work")).to_be_visible()


async def test_the_page_lives_through_an_outage_of_the_server(api, make_link, context, path_of):
    """It says that the server is away, keeps the lesson, and is right again when it is back."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    await context.route("**/api/zoom/heartbeat", lambda route: route.abort())
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.get_by_text("The server cannot be reached")).to_be_visible()
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    await context.unroute("**/api/zoom/heartbeat")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.get_by_text("The server cannot be reached")).to_be_hidden()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_preview_bot_starts_nothing(api, make_link, path_of, method):
    """Fetching the address, as chats and scanners do, leaves the lesson pending."""
    link = await make_link()
    status, _ = await api(method, path_of(link).removeprefix(api.url), key=None)
    assert status == 200
    assert (await session_of(api, link))["sessionStatus"] == "pending"


async def test_a_start_that_fails_says_that_nothing_goes_on(api, make_link, context, path_of):
    """No nought of a countdown and no word of a lesson that goes on; Join tries again."""
    link = await make_link()
    page = await context.new_page()
    await context.route("**/api/zoom/start", lambda route: route.fulfill(status=503, body="{}"))
    await page.goto(path_of(link))
    await page.get_by_role("button", name="Join now").click()
    await expect(page.get_by_text("could not be started, and nothing is counted yet")).to_be_visible()
    await expect(page.get_by_text("The lesson has not begun.")).to_be_visible()
    await expect(page.get_by_text("The lesson goes on")).to_have_count(0)
    await expect(page.locator("[data-show=countdown]")).not_to_have_text("0")
    await context.unroute("**/api/zoom/start")
    await page.get_by_role("button", name="Join now").click()
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    await expect(page.locator("[data-offline]")).to_be_hidden()


async def test_end_without_a_network_is_not_forgotten(api, make_link, context, path_of):
    """The banner and what becomes of the End are there at once; it is over when the network is back."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    await context.set_offline(True)
    await expect(page.get_by_text("The server cannot be reached")).to_be_visible()
    await page.get_by_role("button", name="End session").click()
    await expect(page.get_by_text("it is over as soon as the server can be reached")).to_be_visible()
    await context.set_offline(False)
    await expect(page.get_by_role("heading", name="Session ended")).to_be_visible(timeout=45_000)
    row = await until(api, link, sessionStatus="ended")
    assert row["endReason"] == "button"


async def test_an_end_outlives_the_page_that_could_not_say_it(api, make_link, context, path_of):
    """Pressed without a server, reloaded, said again when it is back: with what the page believed at the press."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    await context.route("**/api/zoom/*", lambda route: route.abort() if is_call(route) else route.continue_())
    await page.get_by_role("button", name="End session").click()
    await expect(page.get_by_text("it is over as soon as the server can be reached")).to_be_visible()
    await expect(page.get_by_role("heading", name="Ending the session")).to_be_visible()
    await expect(page.get_by_text("The lesson goes on")).to_have_count(0)
    api.clock.at += 600
    await page.reload()
    await context.unroute("**/api/zoom/*")
    await expect(page.get_by_role("heading", name="Session ended")).to_be_visible(timeout=45_000)
    row = await until(api, link, sessionStatus="ended")
    assert (row["endReason"], row["durationSeconds"]) == ("button", 600)
    assert row["clientDurationMinutes"] < 1


def is_call(route):
    return route.request.method == "POST"


async def test_what_timed_out_for_want_of_word_goes_on(api, make_link, context, path_of):
    """The server heard of nothing for hours and hears of the page's socket a moment later: the page looks again."""
    link = await make_link()
    page = await context.new_page()
    await page.clock.install()
    await page.goto(path_of(link))
    await page.get_by_role("button", name="Join now").click()
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    over = {
        "status": "timeout",
        "serverTime": "2026-11-21T10:00:00Z",
        "sessionDurationMinutes": 5,
        "endReason": "timeout",
    }
    await context.route("**/api/zoom/heartbeat", lambda route: route.fulfill(json={"data": over}))
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.get_by_role("heading", name="Session ended")).to_be_visible()
    await context.unroute("**/api/zoom/heartbeat")
    await page.clock.run_for(16_000)
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()


async def test_an_end_that_is_refused_is_asked_for_again_by_hand(api, make_link, context, path_of):
    """The server is there and says no: that is said, and the lesson goes on."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    await context.route("**/api/zoom/end-session", lambda route: route.fulfill(status=409, body="{}"))
    await page.get_by_role("button", name="End session").click()
    await expect(page.get_by_text("could not be ended. Try again.")).to_be_visible()
    assert (await session_of(api, link))["sessionStatus"] == "active"


async def test_the_way_to_the_meeting_in_the_same_tab_is_no_close(api, make_link, context, path_of):
    """As browsers inside of messengers do it: ten minutes there, back, and it is still the same lesson."""
    link = await make_link()
    page, _ = await joined(context, path_of(link))
    await page.evaluate("document.querySelector('[data-meeting]').target = '_self'")
    await page.get_by_role("link", name="Open the meeting").click()
    await expect(page.get_by_role("heading", name="The meeting")).to_be_visible()
    api.clock.at += 600
    assert (await session_of(api, link))["sessionStatus"] == "active"
    await page.go_back()
    await expect(page.get_by_role("heading", name="Session active")).to_be_visible()
    row = await until(api, link, sessionStatus="active")
    assert row["sessionEndedAt"] is None
