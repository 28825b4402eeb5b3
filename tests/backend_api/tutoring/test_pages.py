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
    length, save = page.get_by_label("Duration (m:ss)"), page.get_by_role("button", name="Save")
    await expect(length).to_have_value("30:01")
    for typed, told in (("30:01", "nothing was changed"), ("", "Write the duration"), ("1:75", "Write the duration")):
        await length.fill(typed)
        await page.get_by_label("Reason").fill("lost connection")
        await save.click()
        await expect(page.get_by_role("alert").filter(has_text=told)).to_be_visible()
    await length.fill("60")
    await save.click()
    await expect(page.get_by_text("1:00:00 (was 30:01)")).to_be_visible()
    await expect(page.get_by_text("boss: lost connection")).to_be_visible()
    await expect(page.get_by_text("40.00 EUR")).to_be_visible()
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


async def test_a_double_click_sends_one_link(api, context, telegram):
    """Two submits in one go are one lesson and one message."""
    page = await opened(api, context, "/teacher", TEACHER)
    await page.get_by_role("row", name="Sam").get_by_role("button", name="Send Zoom link").click()
    await page.get_by_label("Meeting link").fill("https://zoom.us/j/1")
    twice = "form => { form.requestSubmit(); form.requestSubmit(); }"
    await page.locator("[data-send-form]").evaluate(twice)
    await expect(page.get_by_text("Sam has the link.")).to_be_visible()
    assert len(telegram.messages) == 1


async def test_a_refresh_leaves_the_focus_where_it_was(api, context):
    """Somebody at a button of a row is still there after the rows were read again."""
    page = await opened(api, context, "/teacher", TEACHER)
    button = page.get_by_role("row", name="Sam").get_by_role("button", name="Send Zoom link")
    await button.focus()
    async with page.expect_response("**/api/teachers/students", timeout=20_000):
        pass
    await page.wait_for_timeout(300)
    await expect(button).to_be_focused()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    ("path", "claims", "needed"),
    [("/admin/statements", ADMIN, "30.00 EUR"), ("/admin/teacher-sessions", ADMIN, "Correct"),
     ("/teacher", TEACHER, "Send Zoom link")],
)  # fmt: skip
async def test_what_matters_is_in_sight(api, make_link, context, path, claims, needed, width):
    """On a desk and on a phone: amounts and buttons need no sideways scrolling."""
    await held(api, make_link, 1_801)
    page = await opened(api, context, path, claims)
    await page.set_viewport_size({"width": width, "height": 900})
    place = page.locator("tbody").get_by_text(needed).first
    await expect(place).to_be_visible()
    box = await place.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    hidden = "all => Math.max(...all.map(one => one.scrollWidth - one.clientWidth))"
    assert await page.locator(".scroll:visible").evaluate_all(hidden) <= 1
