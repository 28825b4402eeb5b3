"""`/` in a real browser against the real services."""

import re
import signal

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def card(page, name):
    return page.get_by_role("region", name=name, exact=True)


async def test_it_says_what_is_running(visit, services):
    """Both services are ready, with their versions and addresses."""
    page = await visit("/")
    for name, url in (("Backend", services.backend), ("Presence", services.presence)):
        await expect(card(page, name).get_by_role("status")).to_have_text("Ready")
        await expect(card(page, name)).to_contain_text(url)
        await expect(card(page, name)).to_contain_text(re.compile(r"Version\s*\d+\.\d+"))


async def test_a_service_that_is_gone_is_seen_to_be_gone(visit, services):
    """The other one is still ready."""
    try:
        services.stop("presence", signal.SIGKILL)
        page = await visit("/")
        await expect(card(page, "Presence").get_by_role("status")).to_have_text("Cannot be reached")
        await expect(card(page, "Backend").get_by_role("status")).to_have_text("Ready")
    finally:
        services.start_presence()
    await page.reload()
    await expect(card(page, "Presence").get_by_role("status")).to_have_text("Ready")


async def test_rooms_that_are_live_and_rooms_with_history_are_listed(visit, services, room):
    """Each with its count and its two pages."""
    past = f"{room}-past"
    services.record(past, {5: (1, 1.0, 1)})
    live = await visit(f"/live/{room}")
    await expect(live.locator(".count")).to_have_text("1")
    page = await visit("/", token=services.token("admin"))
    for name, count in ((room, "1"), (past, "0")):
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))
        await expect(row.get_by_role("cell")).to_have_text([count, count, "Live · History"], use_inner_text=True)
    await page.get_by_role("link", name=f"{past} history").click()
    await expect(page.locator('dd[data-show="peak"]')).to_have_text("1")


async def test_without_a_token_the_list_asks_for_one(visit):
    """What needs no token is there all the same."""
    page = await visit("/")
    await expect(page.get_by_role("heading", name="A token shows the rooms")).to_be_visible()
    await expect(page.get_by_role("button", name="Open live")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "heading"), [("Engagement", "All tracks"), ("Artist dashboard", "A token opens this page")]
)
async def test_the_pages_about_engagement_are_found_from_here(visit, services, name, heading):
    """With the token that the reader has here."""
    page = await visit("/", token=services.token("admin") if name == "Engagement" else None)
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()


async def test_a_room_is_opened_by_its_name(visit, services, room):
    """What is no room is not opened, and says why; the keyboard suffices."""
    page = await visit("/")
    await page.get_by_label("Room", exact=True).fill("my room")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("A room is a kind and an id")).to_be_visible()
    assert page.url == f"{services.backend}/"
    await page.get_by_label("Room", exact=True).fill(room)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/live/{room}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_nothing_is_cut_off(visit, services, room, scheme):
    """At 360 pixels there is no sideways scrolling, with a long room in the list."""
    services.record(room + "x" * 40, {5: (1, 1.0, 1)})
    page = await visit("/", token=services.token("admin"), size=(360, 740), color_scheme=scheme)
    await expect(page.get_by_role("rowheader").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
