"""The teacher's and the admin's pages in a real browser."""

import pytest
from playwright.async_api import expect

from tests.backend_api.browsing import browser, context

__all__ = ["browser", "context"]

pytestmark = pytest.mark.browser

ADMIN = {"sub": "boss", "roles": ["admin"]}
TEACHER = {"sub": "u-t1", "roles": ["teacher"], "teacherId": "t1"}


async def opened(api, context, path, claims):
    page = await context.new_page()
    await page.goto(f"{api.url}{path}#token={api.token(**claims)}")
    return page


async def held(api, make_link, seconds, **fields):
    """A lesson that lasted so long and ended just now."""
    link = await make_link(**fields)
    api.clock.at -= seconds
    await api("POST", "/api/zoom/start", {"token": link["trackingToken"]}, key=None)
    api.clock.at += seconds
    await api("POST", "/api/zoom/end-session", {"token": link["trackingToken"]}, key=None)


async def test_a_teacher_sends_a_link(api, context, telegram):
    """Own students only; the link goes out, the session is listed, and can be cancelled."""
    page = await opened(api, context, "/teacher", TEACHER)
    row = page.get_by_role("row", name="Sam")
    await expect(row).to_be_visible()
    await expect(page.get_by_text("Sue")).to_have_count(0)
    await row.get_by_role("button", name="Send Zoom link").click()
    await page.get_by_label("Meeting link").fill("http://zoom.us/j/1")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_role("alert").filter(has_text="https")).to_be_visible()
    await page.get_by_label("Meeting link").fill("https://zoom.us/j/1")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_text("Sam has the link.")).to_be_visible()
    assert len(telegram.messages) == 1
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.get_by_role("cell", name="Cancelled")).to_be_visible()


async def test_an_admin_sees_filters_and_corrects(api, make_link, context):
    """Names, duration and totals; a formula or a tag in a name is text; the correction counts."""
    await held(api, make_link, 1_801, names={"student": "<b>=Sam</b>"})
    page = await opened(api, context, "/admin/teacher-sessions", ADMIN)
    await expect(page.get_by_role("cell", name="<b>=Sam</b>").first).to_be_visible()
    await expect(page.get_by_role("cell", name="30:01").first).to_be_visible()
    await page.get_by_role("button", name="Correct").click()
    await page.get_by_label("Minutes").fill("60")
    await page.get_by_label("Reason").fill("lost connection")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("1:00:00 (was 30:01)")).to_be_visible()
    await page.get_by_role("button", name="End silent sessions").click()
    await expect(page.get_by_text("No session has been silent for too long.")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download CSV").click()
    assert (await download.value).suggested_filename == "teacher-sessions.csv"
    await page.get_by_label("Status").select_option("pending")
    await expect(page.get_by_text("No sessions match.")).to_be_visible()


async def test_a_statement_shows_what_is_due(api, make_link, context):
    """By package, with its rule; the total in its currency."""
    await held(api, make_link, 1_801)
    page = await opened(api, context, "/admin/statements", ADMIN)
    await expect(page.get_by_role("cell", name="40 EUR per hour")).to_be_visible()
    await expect(page.get_by_role("cell", name="up 15 min")).to_be_visible()
    await expect(page.get_by_role("cell", name="30.00 EUR")).to_be_visible()
    await expect(page.get_by_role("button", name="Close the month")).to_be_hidden()
    await page.get_by_label("Month").fill("2026-10")
    await expect(page.get_by_text("No billed sessions in this month.")).to_be_visible()


@pytest.mark.parametrize("path", ["/teacher", "/admin/teacher-sessions", "/admin/statements"])
async def test_without_the_right_token_a_page_asks_for_one(api, context, path):
    """None at all, or one of somebody who may not."""
    page = await context.new_page()
    await page.goto(api.url + path)
    await expect(page.get_by_role("heading", name="A token opens this page")).to_be_visible()
    page = await opened(api, context, path, {"sub": "x", "roles": ["user"]})
    await expect(page.get_by_role("heading", name="This token is not enough")).to_be_visible()
