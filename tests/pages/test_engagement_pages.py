"""The collector and the engagement pages in the real browser: what is done on a page is on the dashboard, once."""

import asyncio
import re
import secrets
import time
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

COLLECT = """
  async ([options, position]) => {
    const { collectEvents } = await import('/static/client/events.js');
    window.stats = collectEvents(options);
    window.play = (track) => {
      const startedAt = performance.now();
      const heard = () => position ?? (performance.now() - startedAt) / 1_000;
      window.stats.trackPlayStart(track, { source: 'search', trackDuration: 100, position: heard });
    };
  }
"""
HEIGHT_OF_TEXT = """
  (place) => {
    const text = document.createRange();
    text.selectNodeContents(place);
    return text.getBoundingClientRect().height;
  }
"""
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def artist(services):
    """An artist with two tracks that no other test uses."""
    name = f"artist-{secrets.token_hex(4)}"
    services.call("PUT", f"/api/artists/{name}", {"name": f"Ada {HOSTILE}"})
    for number in (1, 2):
        track = {"artistId": name, "title": f"Track {number} {HOSTILE}", "durationSeconds": 100}
        services.call("PUT", f"/api/tracks/{name}-{number}", track)
    return name


def counters(services, track):
    found = services.call("GET", f"/api/tracks/{track}/counters")
    return found["playCount"], found["likeCount"], found["shareCount"]


def downloads(services, track):
    return services.call("GET", f"/api/tracks/{track}/counters")["downloadCount"]


def all_counted_and_none_twice(services, track):
    """Whoever waits for equality alone would wait until a recount has set right what was counted twice."""
    found = counters(services, track)
    assert max(found) <= 1
    return found == (1, 1, 1)


def is_rolled_up(services):
    """Dashboards are read from rollups, which come seconds after the counters; an open page looks again each minute."""
    return services.call("GET", "/api/admin/rollups")["openDays"] == 0


async def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.1)


async def collect(visit, services, position=25, **options):
    page = await visit("/")
    await page.evaluate(COLLECT, [{"token": services.token("user", sub="ann")} | options, position])
    return page


@pytest.mark.parametrize("way", ["close", "navigate", "reload"])
async def test_a_page_that_goes_away_mid_batch_loses_nothing_and_counts_once(visit, services, artist, way):
    """Play for 25 seconds, like, share, gone: counters have them at once, the dashboard when they are rolled up."""
    track = f"{artist}-1"
    page = await visit("/")
    await page.clock.install()
    await page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=30))  # However slow the machine, 25 s are 25 s.
    await page.evaluate(COLLECT, [{"token": services.token("user", sub="ann")}, None])
    await page.evaluate("track => { play(track); }", track)
    await page.clock.run_for(12_000)
    await page.evaluate("track => { stats.trackLike(track); }", track)
    await page.clock.run_for(13_000)
    await page.evaluate("track => { stats.trackShare(track, { platform: 'copy_link' }); }", track)
    if way == "close":
        await page.close(run_before_unload=True)
    elif way == "navigate":
        await page.goto(f"{services.backend}/docs")
    else:
        await page.reload()
        await page.evaluate(COLLECT, [{}, 0])
        await page.evaluate("stats.flush()")
    await until(lambda: all_counted_and_none_twice(services, track))
    await until(lambda: is_rolled_up(services))
    shown = await visit(f"/artist/dashboard?artistId={artist}", token=services.token("admin"))
    await expect(shown.locator('[data-show="plays"]')).to_have_text("1")
    await expect(shown.locator('[data-show="likes"]')).to_have_text("1")
    await expect(shown.locator('[data-show="shares"]')).to_have_text("1")
    await expect(shown.locator('[data-show="duration"]')).to_have_text("0:25")
    await expect(shown.locator('[data-list="recent"]')).to_contain_text("Played")
    assert counters(services, track) == (1, 1, 1)


async def test_a_batch_that_is_on_its_way_when_the_page_closes_counts_once(visit, services, artist):
    """The server has it, its answer comes too late; the rest of the queue was never sent."""
    track = f"{artist}-1"
    page = await collect(visit, services)
    arrived = asyncio.Event()

    async def deliver_without_an_answer(route):
        await route.fetch()
        arrived.set()

    await page.context.route("**/api/stats/events", deliver_without_an_answer, times=1)
    await page.evaluate("track => { for (let n = 0; n < 60; n += 1) stats.trackDownload(track); }", track)
    await asyncio.wait_for(arrived.wait(), 30)
    assert downloads(services, track) == 50
    await page.close(run_before_unload=True)
    await until(lambda: downloads(services, track) >= 60)
    await until(lambda: is_rolled_up(services))
    assert downloads(services, track) == 60


async def test_what_could_not_be_sent_is_kept_over_a_reload(visit, services, artist):
    """The server is out of reach and the browser takes no beacon; a second later the page is loaded again."""
    track = f"{artist}-2"
    page = await collect(visit, services, token="")
    await page.context.route("**/api/stats/events", lambda route: route.abort())
    await page.evaluate("navigator.sendBeacon = () => false")
    await page.evaluate("track => stats.trackDownload(track)", track)
    await page.evaluate("stats.flush()")
    await page.reload()
    await page.context.unroute("**/api/stats/events")
    await page.evaluate(COLLECT, [{}, 0])
    await page.evaluate("stats.flush()")
    assert downloads(services, track) == 1
    assert await page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('presence.events.'))") == []


async def test_hiding_the_page_hands_over_at_once(visit, services, artist):
    """A phone's browser may kill a hidden page without another word."""
    track = f"{artist}-1"
    page = await collect(visit, services)
    await page.evaluate("track => { play(track); }", track)
    await page.evaluate(
        """() => {
          Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    await until(lambda: counters(services, track)[0] == 1)


async def listen(services, artist, times):
    """So many plays of half the track, the first track's turn first, counted and rolled up."""
    now = round(time.time() * 1_000)
    plays = [
        {"type": "play", "trackId": f"{artist}-{1 + number % 2}", "sessionId": f"s{number}", "timestamp": now - number,
         "source": "search", "duration": 50, "trackDuration": 100, "eventId": f"{artist}-{number}"}
        for number in range(times)
    ]  # fmt: skip
    services.call("POST", "/api/stats/events", plays)
    await until(lambda: is_rolled_up(services))


async def test_an_admin_chooses_whose_figures_and_which_curve(visit, services, artist):
    """Track, artist, range, metric; names are text."""
    await listen(services, artist, 3)
    page = await visit("/admin/stats", token=services.token("admin"))
    await expect(page.locator(f'#whose option[value="artistId={artist}"]')).to_have_text(f"Ada {HOSTILE}")
    await page.select_option("#whose", f"artistId={artist}")
    await expect(page.locator('[data-show="plays"]')).to_have_text("3")
    await expect(page.locator('[data-show="duration-note"]')).to_have_text("50.0 % of the track")
    await page.select_option("#whose", f"trackId={artist}-1")
    await expect(page.locator('[data-show="plays"]')).to_have_text("2")
    await expect(page.locator('[data-show="subject"]')).to_contain_text(HOSTILE)
    await expect(page.locator('[data-list="sources"]')).to_contain_text("search")
    await page.select_option("#metric", "likes")
    await expect(page.locator('[data-show="curve"]')).to_contain_text("Likes")
    await page.locator('[data-range] input[value="24h"]').check(force=True)
    await expect(page.locator('[data-show="curve"]')).to_contain_text("last 24h")
    await expect(page.get_by_role("link", name="Dashboard")).to_be_hidden()
    await page.select_option("#whose", f"artistId={artist}")
    await page.get_by_role("link", name="Dashboard").click()
    await expect(page.locator('[data-show="artist"]')).to_contain_text(HOSTILE)


async def test_the_pages_ask_for_the_right_token(visit, services, artist):
    """Without one, and with one that does not allow it."""
    page = await visit("/admin/stats")
    await expect(page.get_by_text("A token opens this page")).to_be_visible()
    page = await visit("/admin/stats", token=services.token("user"))
    await expect(page.get_by_text("Only admins see the engagement with all tracks.")).to_be_visible()
    page = await visit("/artist/dashboard", token=services.token("artist", artistId=artist))
    await expect(page.locator('[data-show="artist"]')).to_contain_text(HOSTILE)
    await expect(page.get_by_text("Nothing played yet").first).to_be_visible()
    await expect(page.get_by_role("listitem")).to_have_count(0)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
async def test_days_and_months_are_named_in_the_zone_they_were_counted_in(visit, services, artist, zone):
    """Wherever the reader is: the last day of the curve is the server's today, the last month its month."""
    await listen(services, artist, 1)
    token = services.token("artist", artistId=artist)
    page = await visit("/artist/dashboard?range=7d", token=token, zone=zone)
    await expect(page.locator('[data-show="curve"]')).to_have_text("Plays, last 7d")
    today = datetime.now(UTC)
    await page.locator("[data-chart]").press("ArrowLeft")
    await expect(page.locator("[data-chart] .unseen")).to_have_text(re.compile(today.strftime(r"^%a,? 0?%-d %b %Y")))
    await page.locator('[data-range] input[value="1y"]').check(force=True)
    await expect(page.locator('[data-show="curve"]')).to_have_text("Plays, last 1y")
    await page.locator("[data-chart]").press("ArrowLeft")
    await expect(page.locator("[data-chart] .unseen")).to_have_text(re.compile(today.strftime("^%B %Y")))


async def test_what_is_chosen_survives_a_reload_and_is_in_the_link(visit, services, artist):
    """Whose, which curve and which range."""
    token = services.token("admin")
    page = await visit("/admin/stats", token=token)
    await page.select_option("#whose", f"trackId={artist}-2")
    await page.select_option("#metric", "shares")
    await page.locator('[data-range] input[value="90d"]').check(force=True)
    await expect(page.locator('[data-show="curve"]')).to_have_text("Shares, last 90d")
    link = page.url
    for again in (page, await visit(link.removeprefix(services.backend), token=token)):
        await again.reload()
        await expect(again.locator('[data-show="curve"]')).to_have_text("Shares, last 90d")
        await expect(again.locator('[data-show="subject"]')).to_contain_text("Track 2")


async def test_an_admin_who_names_no_artist_is_led_to_where_one_is_chosen(visit, services, artist):
    """From the home page's button, or with an empty name."""
    for path in ("/artist/dashboard", "/artist/dashboard?artistId="):
        page = await visit(path, token=services.token("admin"))
        await expect(page.locator("#whose")).to_be_visible()
        assert "/admin/stats" in page.url
    page = await visit("/artist/dashboard?artistId=no%20id", token=services.token("admin"))
    await expect(page.get_by_text("No artist has such an id")).to_be_visible()
    page = await visit("/artist/dashboard?artistId=somebody", token=services.token("artist", artistId=artist))
    await expect(page.get_by_text("It is valid, but not for this dashboard.")).to_be_visible()


async def test_a_time_without_plays_has_words_instead_of_a_line(visit, services, artist):
    """The tiles say nought beside them."""
    page = await visit("/artist/dashboard", token=services.token("artist", artistId=artist))
    await expect(page.get_by_text("Nothing in this time")).to_be_visible()
    await expect(page.locator("[data-chart]")).to_be_hidden()
    await expect(page.locator('[data-show="plays"]')).to_have_text("0")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("title", ["Best of summer 2026: the long evening mix, volume two", "Long" * 60])
async def test_a_long_title_breaks_and_its_figure_does_not(visit, services, artist, width, title):
    """The list of playlists, however wide the page."""
    services.call("PUT", f"/api/playlists/{artist}", {"ownerId": artist, "title": title, "trackIds": [f"{artist}-1"]})
    page = await visit("/artist/dashboard", token=services.token("artist", artistId=artist), size=(width, 900))
    figure = page.locator('[data-list="playlists"] dd')
    await expect(figure).to_have_text("1 track")
    assert await figure.evaluate(HEIGHT_OF_TEXT) < 40
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_every_page_of_the_catalogue_is_there_to_choose_from(visit, services, artist):
    """However few tracks the server gives at once."""
    page = await visit("/")

    async def in_small_pages(route):
        await route.continue_(url=route.request.url.replace("limit=500", "limit=1"))

    await page.context.route("**/api/tracks?*", in_small_pages)
    page = await visit("/admin/stats", beside=page, token=services.token("admin"))
    for number in (1, 2):
        await expect(page.locator(f'#whose option[value="trackId={artist}-{number}"]')).to_have_count(1)


@pytest.mark.parametrize("path", ["/artist/dashboard", "/admin/stats"])
async def test_a_choice_that_cannot_be_loaded_is_taken_back(visit, services, artist, path):
    """What is chosen and what is shown never differ; the next try is the reader's or comes by itself."""
    page = await visit(path, token=services.token("admin", "artist", artistId=artist))
    await expect(page.locator('[data-show="curve"]')).to_have_text("Plays, last 30d")
    await page.route("**/api/**", lambda route: route.abort())
    await page.locator('[data-range] input[value="24h"]').click(force=True)
    await expect(page.locator("[data-banner]")).to_contain_text("The server cannot be reached.")
    await expect(page.locator('[data-range] input[value="30d"]')).to_be_checked()
    await page.unroute("**/api/**")
    await page.locator('[data-range] input[value="24h"]').click(force=True)
    await expect(page.locator('[data-show="curve"]')).to_have_text("Plays, last 24h")
    await expect(page.locator("[data-banner]")).to_be_hidden()


@pytest.mark.parametrize("path", ["/artist/dashboard", "/admin/stats"])
async def test_an_answer_that_is_not_the_apis_is_said_to_be_one(visit, services, artist, path):
    """A sign-in page of a network answers 200; the page does not wait for ever, and is there once it is tried again."""
    page = await visit("/")
    await page.context.route(
        "**/api/**", lambda route: route.fulfill(status=200, body="<html>", content_type="text/html")
    )
    token = services.token("admin", "artist", artistId=artist)
    page = await visit(path, beside=page, token=token)
    await expect(page.get_by_text("Something between here and the server answered in its place.")).to_be_visible()
    await page.context.unroute("**/api/**")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator('[data-show="plays"]').first).to_be_visible()


@pytest.mark.parametrize("path", ["/artist/dashboard", "/admin/stats"])
async def test_a_page_looks_again_while_events_are_being_counted(visit, services, artist, path):
    """So that nobody has to guess when to reload."""

    async def behind(route):
        answer = await route.fetch()
        body = await answer.json()
        body["data"]["freshness"]["pendingEvents"] = 7
        await route.fulfill(response=answer, json=body)

    page = await visit("/")
    await page.context.route(re.compile("/api/(dashboard/stats|stats/analytics)"), behind, times=1)
    page = await visit(path, beside=page, token=services.token("admin", "artist", artistId=artist))
    await expect(page.locator('[data-show="freshness"]')).to_contain_text("7 newer events are being counted")
    await expect(page.locator('[data-show="freshness"]')).not_to_contain_text("being counted")
