"""The learner's page in a real browser."""

import pytest
from playwright.async_api import expect

from tests.backend_api.browsing import browser, context

__all__ = ["browser", "context"]

pytestmark = pytest.mark.browser

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


async def test_somebody_elses_page_stays_closed(api, context):
    """It asks for a token that opens it."""
    page = await context.new_page()
    await page.goto(f"{api.url}/study/bob#token={api.token(**ANN)}")
    await expect(page.get_by_role("heading", name="This token is not enough")).to_be_visible()
