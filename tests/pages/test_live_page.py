"""`/live/{room}` in a real browser against the real services."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def shows(page, number, *, seconds=30):
    await expect(page.locator(".count")).to_have_text(str(number), timeout=seconds * 1_000)


async def test_the_count_moves_as_tabs_open_and_close(visit, room):
    """Every tab counts itself; two tabs of one browser are one person, another browser is another."""
    first = await visit(f"/live/{room}")
    await shows(first, 1)
    second = await visit(f"/live/{room}", beside=first)
    await shows(first, 2)
    stranger = await visit(f"/live/{room}")
    for page in (first, second, stranger):
        await shows(page, 3)
        await expect(page.get_by_text("2 people", exact=False)).to_be_visible()
    await second.close()
    await shows(stranger, 2)
    await stranger.close()
    await shows(first, 1)
    await expect(first.get_by_text("1 person", exact=False)).to_be_visible()


async def test_the_page_says_that_it_is_live_and_has_the_count_in_its_title(visit, room):
    """The state is in words, and a tab in the background still tells."""
    page = await visit(f"/live/{room}")
    await expect(page.locator("[data-connection]")).to_have_text("Live")
    await expect(page).to_have_title(f"1 watching · {room.partition(':')[2]}")


async def test_a_hidden_tab_is_still_watching_but_not_looking(visit, room):
    """Hiding the tab lowers the active people and nothing else; showing it raises them again."""
    page = await visit(f"/live/{room}")
    active = page.locator("[data-show=active]")
    await expect(active).to_have_text("1")
    await page.evaluate(_set_hidden, True)
    await expect(active).to_have_text("0")
    await shows(page, 1)
    await page.evaluate(_set_hidden, False)
    await expect(active).to_have_text("1")


_set_hidden = """(hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""


async def test_a_screen_reader_hears_the_first_count_and_is_not_flooded(visit, services, room):
    """The first figure is said at once; what changes within ten seconds is said once, as its newest."""
    page = await visit("/")
    await page.clock.install()
    await page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))  # Ten seconds are as long as they have to be.
    await page.goto(f"{services.backend}/live/{room}")
    spoken = page.get_by_role("status").filter(has_text="watching")
    await expect(spoken).to_have_text("1 watching")
    for _ in range(2):
        await visit(f"/live/{room}", beside=page)
    await shows(page, 3)
    await expect(spoken).to_have_text("1 watching")
    await page.clock.fast_forward(10_000)
    await expect(spoken).to_have_text("3 watching")


async def test_presence_killed_and_started_again_is_noticed_and_mended(visit, services, room):
    """While it is away the page says so and greys the number; afterwards it is counted again."""
    page = await visit(f"/live/{room}")
    await shows(page, 1)
    state = page.locator("[data-connection]")
    try:
        services.stop("presence", signal.SIGKILL)
        await expect(state).to_have_text("Reconnecting")
        await expect(page.locator(".stage")).to_have_attribute("data-old", "")
    finally:
        services.start_presence()
    await expect(state).to_have_text("Live", timeout=45_000)
    await shows(page, 1)


async def test_a_draining_presence_is_left_and_come_back_to(visit, services, room):
    """A polite stop is not an error: the page says that it moves and is there again."""
    page = await visit(f"/live/{room}")
    await shows(page, 1)
    await page.evaluate(_keep_states)
    try:
        await asyncio.to_thread(services.stop, "presence")
        await page.wait_for_function("window.states.includes('Moving to another server')")
    finally:
        services.start_presence()
    await expect(page.locator("[data-connection]")).to_have_text("Live")
    await shows(page, 1)


_keep_states = """() => {
    const state = document.querySelector('[data-connection]');
    window.states = [];
    const watched = { childList: true, characterData: true, subtree: true };
    new MutationObserver(() => window.states.push(state.textContent)).observe(state, watched);
}"""


async def test_a_room_that_is_not_public_asks_for_a_token(visit, services):
    """A guest is asked for a token; pasting one that opens the room shows the count."""
    page = await visit("/live/tutoring:t1")
    await expect(page.get_by_role("heading", name="A token opens this room")).to_be_visible()
    await page.get_by_label("Token", exact=True).last.fill("no token")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("This is not a token")).to_be_visible()
    await page.get_by_label("Token", exact=True).last.fill(services.token("teacher", teacherId="t1"))
    await page.keyboard.press("Enter")
    await shows(page, 1)
    assert "maria" in await page.locator(".account").inner_text()


async def test_a_token_that_does_not_open_the_room_is_told_so(visit, services):
    """A valid token of somebody else leads to a sentence, not to an endless retry."""
    page = await visit("/live/tutoring:t1", token=services.token("user"))
    await expect(page.get_by_role("heading", name="This token is not enough")).to_be_visible()
    await expect(page.locator("[data-connection]")).to_have_text("Not connected")


async def test_a_socket_whose_token_expires_asks_for_a_fresh_one(visit, services, room):
    """The socket ends with its token; the page then says that it has expired."""
    page = await visit(f"/live/{room}", token=services.token("user", seconds=15))
    await shows(page, 1)
    await expect(page.get_by_role("heading", name="The token has expired")).to_be_visible(timeout=45_000)


async def test_a_page_of_another_origin_shows_the_count_with_the_published_client(visit, services, room):
    """The ten lines of the README, on a host page elsewhere: it counts and is counted."""

    async def host_page(_request):
        return web.Response(content_type="text/html", text=_HOST_PAGE % {
            "backend": services.backend, "presence": services.presence, "room": room,
        })  # fmt: skip

    app = web.Application()
    app.router.add_get("/", host_page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", services.foreign_port).start()
        ours = await visit(f"/live/{room}")
        host = await visit(f"http://127.0.0.1:{services.foreign_port}/")
        await expect(host.locator("#watching")).to_have_text("2 watching")
        await shows(ours, 2)
    finally:
        await runner.cleanup()


_HOST_PAGE = """<!doctype html><title>host</title><output id="watching"></output>
<script type="module">
  import { io } from "%(backend)s/static/vendor/socket.io.esm.min.js";
  import { watchRoom } from "%(backend)s/static/client/live.js";
  watchRoom({
    io, url: "%(presence)s", room: "%(room)s", join: true,
    onChange: (count) => { document.getElementById("watching").textContent = `${count.viewerCount} watching`; },
  });
</script>"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_nothing_is_cut_off(visit, room, scheme):
    """At 360 pixels there is no sideways scrolling, and the number is in view."""
    page = await visit(f"/live/{room}", size=(360, 640), color_scheme=scheme)
    await shows(page, 1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await expect(page.locator(".count")).to_be_in_viewport(ratio=1)


async def test_reduced_motion_is_respected(visit, room):
    """Who asked for no motion sees the number change without any."""
    page = await visit(f"/live/{room}", reduced_motion="reduce")
    await shows(page, 1)
    other = await visit(f"/live/{room}", beside=page)
    await shows(other, 2)
    await shows(page, 2)
    assert await page.evaluate("document.getAnimations().length") == 0
    assert await page.locator(".count").evaluate("(element) => getComputedStyle(element).animationName") == "none"


async def test_leaving_and_coming_back_by_the_browser_counts_again(visit, room):
    """Another page in the same tab is no viewer; the Back button brings one viewer back, not two."""
    page = await visit(f"/live/{room}")
    other = await visit(f"/live/{room}", beside=page)
    await shows(page, 2)
    await other.get_by_role("link", name="History").click()
    await shows(page, 1)
    await other.go_back()
    await shows(other, 2)
    await shows(page, 2)
