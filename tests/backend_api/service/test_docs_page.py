"""The documentation page in a real browser: it shows every route, and no script or policy fails."""

import pytest
from playwright.async_api import async_playwright

from backend_api.contract.snapshots import History, RoomPart
from backend_api.service.access import internal
from backend_api.service.documentation import documented
from backend_api.service.routes import RouteTable
from tests.browsing import CHROMIUM


@pytest.fixture
async def page():
    """A page whose errors end up in its `complaints`."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: THE DOCUMENTATION WAS NOT LOOKED AT")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        page.complaints = []
        page.on("console", lambda line: page.complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page
        await browser.close()


@pytest.mark.browser
async def test_every_route_is_shown_with_what_it_takes_and_gives(serve, page):
    """Texts of the document stay texts, whatever they hold."""
    table = RouteTable("rooms")

    @table.post("/rooms", allow=(internal("snapshots"),), summary="<b>Save</b> a part")
    async def save(*, body: RoomPart) -> History:
        raise AssertionError

    client = await serve(*documented("Things", "1", [table]))
    await page.goto(str(client.make_url("/docs")))
    await page.locator("#post_rooms summary").click()

    shown = await page.locator("#post_rooms").inner_text()
    assert "<b>Save</b> a part" in shown
    assert "Allowed: internal (snapshots)." in shown
    assert "viewerCount: integer" in shown
    assert "success: true" in shown
    assert await page.locator("details").count() == 4
    assert page.complaints == []
