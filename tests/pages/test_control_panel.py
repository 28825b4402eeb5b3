"""The control panel and the demo player in a real browser against the real services."""

import asyncio
import re
import secrets
import signal

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PANEL = "/station-owner/control-panel"
NOTHING = "\u2013"


@pytest.fixture
def channel():
    return f"c-{secrets.token_hex(4)}"


def owner(services, channel):
    return services.token("station_owner", channels=[channel])


async def playing(visit, channel, **options):
    page = await visit(f"/demo/player/{channel}", **options)
    await page.get_by_role("button", name="Play").click()
    await expect(page.locator("[data-connection]")).to_have_text("Playing")
    await expect(page.locator("[data-show=session]")).not_to_have_text(NOTHING)
    return page


def sessions(services, channel):
    return services.call("GET", f"/listening-sessions?channelId={channel}")["sessions"]


async def until(look, *, seconds=30):
    async with asyncio.timeout(seconds):
        while not (found := await asyncio.to_thread(look)):
            await asyncio.sleep(0.2)
    return found


async def test_play_moves_the_panel_and_closing_the_tab_ends_the_session(visit, services, channel):
    """Listeners and sessions go up; the tab closed, the listener goes at once, the session after its grace."""
    panel = await visit(PANEL, token=owner(services, channel))
    await expect(panel.locator("[data-show=now]")).to_have_text("0")
    player = await playing(visit, channel)
    await expect(panel.locator("[data-show=now]")).to_have_text("1")
    await expect(panel.locator("[data-show=active]")).to_have_text("1", timeout=45_000)
    await expect(panel.locator("[data-rows] tr")).to_have_count(1)
    await player.close()
    await expect(panel.locator("[data-show=now]")).to_have_text("0")
    ended = await until(lambda: [one for one in sessions(services, channel) if one["status"] != "active"], seconds=45)
    assert [one["status"] for one in ended] == ["completed"]
    await expect(panel.locator("[data-show=active]")).to_have_text("0", timeout=45_000)
    await expect(panel.locator("[data-show=today]")).to_have_text(re.compile(r"^0:\d\d$"))


async def test_a_reload_stays_one_session_and_stop_ends_it(visit, services, channel):
    """The page keeps its token for the next page of this tab; Stop is in the record at once."""
    player = await playing(visit, channel)
    first = await player.locator("[data-show=session]").text_content()
    await player.reload()
    await player.get_by_role("button", name="Play").click()
    await expect(player.locator("[data-show=session]")).to_have_text(first)
    await player.get_by_role("button", name="Stall once").click()
    await player.get_by_role("button", name="Stop").click()
    await expect(player.locator("[data-connection]")).to_have_text("Not playing")
    (one,) = await until(lambda: [one for one in sessions(services, channel) if one["status"] == "completed"])
    assert (one["id"], one["quality"]["buffering"]) == (first, 1)
    assert len(sessions(services, channel)) == 1


async def test_without_a_socket_http_carries_the_session_and_a_beacon_ends_it(visit, services, channel):
    """No socket wanted: started by HTTP; the page navigated away from, the session is over after the reload's grace."""
    player = await visit(f"/demo/player/{channel}")
    await player.locator("[data-http]").check()
    await player.get_by_role("button", name="Play").click()
    await expect(player.locator("[data-show=via]")).to_have_text("http")
    assert [one["status"] for one in sessions(services, channel)] == ["active"]
    await player.goto("about:blank")
    await until(lambda: [one for one in sessions(services, channel) if one["status"] == "completed"], seconds=60)


async def test_without_a_socket_a_reload_is_one_session_too(visit, services, channel):
    """Over HTTP alone: the page comes back and goes on; with a socket it goes on as well."""
    player = await visit(f"/demo/player/{channel}")
    first = None
    for without_socket in (True, True, False):
        box = player.locator("[data-http]")
        await (box.check() if without_socket else box.uncheck())
        await player.get_by_role("button", name="Play").click()
        await expect(player.locator("[data-show=session]")).not_to_have_text(NOTHING)
        shown = await player.locator("[data-show=session]").text_content()
        first = first or shown
        assert shown == first
        if without_socket:
            await player.reload()
    await player.get_by_role("button", name="Stop").click()
    await until(lambda: [one for one in sessions(services, channel) if one["status"] == "completed"])
    assert len(sessions(services, channel)) == 1


async def test_presence_gone_while_playing_falls_back_and_returns(visit, services, channel):
    """The socket is lost: HTTP takes over the same session, and the socket takes it back."""
    player = await playing(visit, channel)
    first = await player.locator("[data-show=session]").text_content()
    services.stop("presence", signal.SIGKILL)
    try:
        await expect(player.locator("[data-show=via]")).to_have_text("http", timeout=45_000)
    finally:
        services.start_presence()
    await expect(player.locator("[data-show=via]")).to_have_text("socket", timeout=40_000)
    assert await player.locator("[data-show=session]").text_content() == first
    await player.get_by_role("button", name="Stop").click()
    await until(lambda: [one for one in sessions(services, channel) if one["status"] == "completed"])
    assert len(sessions(services, channel)) == 1


async def test_the_panel_is_for_owners(visit, services, channel):
    """Nobody and strangers are asked for another token; an admin chooses a channel."""
    page = await visit(PANEL)
    await expect(page.get_by_role("heading", name="A token opens this page")).to_be_visible()
    page = await visit(f"{PANEL}?channel={channel}", token=services.token("station_owner", channels=["other"]))
    await expect(page.get_by_role("heading", name="This token is not enough")).to_be_visible()
    page = await visit(PANEL, token=services.token("admin"))
    await page.get_by_role("textbox", name="Channel").fill(channel)
    await page.get_by_role("button", name="Open").first.click()
    await expect(page.locator("[data-show=channel]")).to_have_text(channel)
    await expect(page.get_by_text("Nobody has listened in the last 24 hours.")).to_be_visible()
