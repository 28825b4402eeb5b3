"""The learner's page in a real browser."""

from playwright.async_api import expect

from backend_api.contract.wire import at, rfc3339
from tests.browsing import BROWSER_TESTS

pytestmark = BROWSER_TESTS

ANN = {"sub": "ann", "roles": ["user"]}
TRACK = "/api/study-sessions/stream-duration"


async def test_the_hours_and_the_calls_with_their_source(api, context):
    """Bars per day, the call with who measured it; a call that goes on says so."""
    api.clock.at -= 7_200
    await api.data("POST", TRACK, {"userId": "ann", "callId": "c1", "action": "start"})
    api.clock.at += 3_600
    await api.data("POST", TRACK, {"userId": "ann", "callId": "c1", "action": "end"})
    api.clock.at += 3_600
    await api.data("POST", TRACK, {"userId": "ann", "callId": "c2", "action": "start"})
    page = await context.new_page()
    await page.goto(f"{api.url}/study/ann#token={api.token(**ANN)}")
    row = page.get_by_role("row", name="c1")
    await expect(row.get_by_role("cell", name="1:00:00").first).to_be_visible()
    await expect(row.get_by_role("cell", name="this server")).to_be_visible()
    await expect(page.get_by_role("row", name="c2").get_by_role("cell", name="still in it")).to_be_visible()
    await expect(page.locator("[data-days] canvas")).to_be_visible()
    await expect(page.locator("[data-show=now]")).to_have_text("1")


async def test_more_calls_than_are_shown_at_first(api, context):
    """The page says so and shows the others when asked; the call that is on is among those."""
    await api.data("POST", TRACK, {"userId": "ann", "callId": "long", "action": "start"})
    api.clock.at += 110
    begin = api.clock() - 30
    await api.data("POST", "/internal/v1/sessions", {"intervals": [short_stay(n, begin + n) for n in range(25)]})
    page = await context.new_page()
    await page.goto(f"{api.url}/study/ann#token={api.token(**ANN)}")
    await expect(page.locator("[data-show=now]")).to_have_text("1")
    await expect(page.locator("[data-rows] tr")).to_have_count(25)
    await page.get_by_role("button", name="Show more").click()
    await expect(page.get_by_role("row", name="long").get_by_role("cell", name="still in it")).to_be_visible()
    await expect(page.locator("[data-more]")).to_be_hidden()


def short_stay(number, start):
    began, ended = (rfc3339(at(moment)) for moment in (start, start + 1))
    return {
        "kind": "study", "sessionId": f"s{number}", "intervalId": f"i{number}", "node": "n1", "boot": 1, "version": 2,
        "startedAt": began, "lastSeenAt": ended, "closedAt": ended, "reason": "stop", "userId": "ann",
        "callId": "short",
    }  # fmt: skip


async def test_a_learner_without_calls_gets_words_instead_of_bars(api, context):
    """Of the hours and of the calls."""
    page = await context.new_page()
    await page.goto(f"{api.url}/study/ann#token={api.token(**ANN)}")
    await expect(page.get_by_text("No hours in the last 30 days")).to_be_visible()
    await expect(page.get_by_text("No calls in the last 30 days.")).to_be_visible()
    await expect(page.locator("[data-days]")).to_be_hidden()


async def test_somebody_elses_page_stays_closed(api, context):
    """It asks for a token that opens it."""
    page = await context.new_page()
    await page.goto(f"{api.url}/study/bob#token={api.token(**ANN)}")
    await expect(page.get_by_role("heading", name="This token is not enough")).to_be_visible()
