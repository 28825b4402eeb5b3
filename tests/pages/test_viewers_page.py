"""`/viewers/{room}` in a real browser against the real services."""

import csv
import io
import re

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def tile(page, name):
    return page.locator(f'dd[data-show="{name}"]')


def choice(page, name):
    return page.get_by_role("radio", name=name, exact=True)


@pytest.fixture
def recorded(services, room):
    """A room with ten minutes, a gap, and two minutes before it with the peak of 40 and the minimum of 0."""
    services.record(room, dict.fromkeys(range(2, 12), (5, 10.0, 20)) | {30: (0, 15.0, 30), 31: (4, 20.0, 40)})
    return room


@pytest.fixture
def admin(services):
    return services.token("admin")


async def test_the_tiles_show_the_figures_of_the_range(visit, recorded, admin):
    """Peak, average, minimum and viewer-hours are those of the API's summary: 12 minutes, 135 viewer-minutes."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await expect(tile(page, "peak")).to_have_text("40")
    await expect(tile(page, "average")).to_have_text("11.3")
    await expect(tile(page, "minimum")).to_have_text("0")
    await expect(tile(page, "hours")).to_have_text("2.3")
    await expect(page.get_by_text("over 12 min")).to_be_visible()


async def test_the_owner_of_the_room_sees_it_too(visit, services, recorded):
    """A token that names the auction is enough."""
    token = services.token("user", auctions=[recorded.partition(":")[2]])
    page = await visit(f"/viewers/{recorded}", token=token)
    await expect(tile(page, "peak")).to_have_text("40")


async def test_the_token_leaves_the_address_bar_and_stays_in_the_tab(visit, recorded, admin):
    """After loading, the fragment is gone; a reload still knows the token, and Forget token forgets it."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await expect(tile(page, "peak")).to_have_text("40")
    assert "#" not in page.url
    await page.reload()
    await expect(tile(page, "peak")).to_have_text("40")
    assert await page.evaluate("[Object.keys(sessionStorage), Object.keys(localStorage)]") == [["presence.token"], []]
    await page.get_by_role("button", name="Forget token").click()
    await expect(page.get_by_role("heading", name="A token opens this page")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_the_page_watches_and_does_not_count_itself(visit, recorded, admin):
    """Unique now follows the live room; the dashboard is nobody in it."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await expect(tile(page, "unique")).to_have_text("0")
    live = await visit(f"/live/{recorded}")
    await expect(tile(page, "unique")).to_have_text("1")
    await expect(page.get_by_text("1 watching")).to_be_visible()
    await expect(live.locator(".count")).to_have_text("1")
    await live.close()
    await expect(tile(page, "unique")).to_have_text("0")


async def test_another_range_is_asked_for_and_shown(visit, services, room, admin):
    """An hour does not hold what lies a day back; the keyboard chooses as well as the pointer."""
    services.record(room, {2: (1, 2.0, 3), 60 * 26: (10, 20.0, 99)})
    page = await visit(f"/viewers/{room}", token=admin)
    await expect(tile(page, "peak")).to_have_text("3")
    await choice(page, "24h").focus()
    await page.keyboard.press("ArrowRight")
    await expect(choice(page, "7d")).to_be_checked()
    await expect(tile(page, "peak")).to_have_text("99")
    await choice(page, "1h").check()
    await expect(tile(page, "peak")).to_have_text("3")
    await choice(page, "all").check()
    await expect(tile(page, "peak")).to_have_text("99")
    await expect(page.get_by_text("all time", exact=True)).to_be_visible()


async def test_a_gap_is_drawn_as_a_gap(visit, recorded, admin):
    """Between the two stretches of the last hour there is a place without a line and without a band."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await choice(page, "1h").check()
    await expect(page.get_by_text("Each point is 1 minute.")).to_be_visible()
    inked = await page.evaluate(_INKED_COLUMNS)
    assert inked.count(True) > 20
    assert re.fullmatch("_+#+_+#+_+", "".join("#" if column else "_" for column in inked))


# Which pixel columns of the plot hold anything of the accent's colour: clearly more green than red.
_INKED_COLUMNS = """() => {
    const { offsetLeft, offsetTop, clientWidth: width, clientHeight: height } = document.querySelector('.u-over');
    const canvas = document.querySelector('.chart canvas').getContext('2d');
    const { data } = canvas.getImageData(offsetLeft, offsetTop, width, height);
    const inked = Array(width).fill(false);
    for (let at = 0; at < width * height; at += 1) {
        if (data[4 * at + 3] > 0 && data[4 * at + 1] - data[4 * at] > 12) inked[at % width] = true;
    }
    return inked;
}"""


async def test_pointer_and_keyboard_read_single_points(visit, recorded, admin):
    """The tip shows a point's figures; arrow keys walk over the points, say them, and pass over gaps."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await choice(page, "1h").check()
    await expect(page.get_by_text("Each point is 1 minute.")).to_be_visible()
    chart, tip = page.locator(".chart"), page.locator(".tip")
    await chart.focus()
    await page.keyboard.press("ArrowRight")
    await expect(tip).to_contain_text("Peak40Average20.0Minimum4")
    await expect(chart.get_by_role("status")).to_have_text(re.compile("Peak 40, Average 20.0, Minimum 4$"))
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(tip).to_contain_text("Peak20Average10.0Minimum5")
    await page.keyboard.press("Escape")
    await expect(tip).to_be_hidden()
    plot = page.locator(".u-over")
    width = (await plot.bounding_box())["width"]
    await plot.hover(position={"x": width * 0.9, "y": 50})
    await expect(tip).to_contain_text("Peak20")
    await plot.hover(position={"x": width * 0.65, "y": 50})
    await expect(tip).to_be_hidden()


async def test_the_figures_are_there_as_a_table(visit, recorded, admin):
    """The newest first, as many rows as points."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await choice(page, "1h").check()
    await page.get_by_text("The figures as a table").click()
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(12)
    assert (await rows.last.locator("td").all_inner_texts()) == ["20.0", "4", "40", "20"]


async def test_the_switch_turns_recording_off_and_on(visit, services, recorded, admin):
    """The switch is the setting, before and after a reload."""
    path = f"/api/v1/rooms/{recorded}/settings"
    page = await visit(f"/viewers/{recorded}", token=admin)
    switch = page.get_by_role("switch", name="Record history")
    await expect(switch).to_be_checked()
    await switch.uncheck()
    await expect(switch).to_be_enabled()
    assert services.call("GET", path) == {"enableViewerAnalytics": False}
    await page.reload()
    await expect(switch).to_be_enabled()
    await expect(switch).not_to_be_checked()
    await switch.press("Space")
    await expect(switch).to_be_enabled()
    assert services.call("GET", path) == {"enableViewerAnalytics": True}


async def test_a_switch_that_could_not_be_set_goes_back(visit, recorded, admin):
    """What is shown is what holds; the banner says why."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    switch = page.get_by_role("switch", name="Record history")
    await expect(switch).to_be_checked()
    await page.route("**/settings", lambda route: route.abort())
    await switch.click()
    await expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    await expect(switch).to_be_checked()


async def test_the_csv_is_fetched_with_the_token_and_saved(visit, recorded, admin):
    """The file has the range's points and a name that says what it is."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await choice(page, "1h").check()
    await expect(page.get_by_text("Each point is 1 minute.")).to_be_visible()
    async with page.expect_download() as caught:
        await page.get_by_role("button", name="Download CSV").click()
    download = await caught.value
    assert download.suggested_filename == f"viewers-{recorded.replace(':', '-')}-1h.csv"
    rows = list(csv.DictReader(io.StringIO((await download.path()).read_text())))
    assert [row["peakViewers"] for row in rows] == ["40", "30", *["20"] * 10]


async def test_it_refreshes_every_minute_and_keeps_what_it_has_when_that_fails(visit, services, room, admin):
    """A new minute appears by itself; when the backend is away the page says that it shows old figures."""
    services.record(room, {3: (1, 2.0, 3)})
    page = await visit(f"/viewers/{room}", token=admin)
    await expect(tile(page, "peak")).to_have_text("3")
    await page.clock.install()
    await page.reload()
    await expect(tile(page, "peak")).to_have_text("3")
    services.record(room, {2: (1, 2.0, 7)})
    await page.clock.fast_forward(75_000)
    await expect(tile(page, "peak")).to_have_text("7")
    await page.route("**/api/**", lambda route: route.abort())
    await page.clock.fast_forward(75_000)
    await expect(page.get_by_text("What you see may be old")).to_be_visible()
    await expect(tile(page, "peak")).to_have_text("7")
    await page.unroute("**/api/**")
    await page.clock.fast_forward(75_000)
    await expect(page.get_by_text("What you see may be old")).to_be_hidden()


async def test_a_range_that_could_not_be_loaded_is_not_shown_as_chosen(visit, recorded, admin):
    """Choice and figures agree, also after a failure."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await expect(tile(page, "peak")).to_have_text("40")
    await page.route("**/api/**", lambda route: route.abort())
    await choice(page, "30d").click()
    await expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    await expect(choice(page, "24h")).to_be_checked()


async def test_a_room_without_history_says_what_will_come(visit, room, admin):
    """Recording is on: the first minute comes by itself."""
    page = await visit(f"/viewers/{room}", token=admin)
    await expect(page.get_by_role("heading", name="Nothing recorded in the last 24h")).to_be_visible()
    await expect(tile(page, "peak")).to_have_text("\N{EN DASH}")
    await expect(page.locator(".chart")).to_be_hidden()


async def test_a_room_that_is_not_recorded_offers_to_record_it(visit, services, room, admin):
    """One button turns it on, and the page says what comes next."""
    channel = room.replace("auction:", "channel:")
    page = await visit(f"/viewers/{channel}", token=admin)
    await expect(page.get_by_role("heading", name="Recording is off")).to_be_visible()
    await page.get_by_role("button", name="Record history").click()
    await expect(page.get_by_role("heading", name="Nothing recorded")).to_be_visible()
    assert services.call("GET", f"/api/v1/rooms/{channel}/settings") == {"enableViewerAnalytics": True}


@pytest.mark.parametrize(
    ("token", "heading"),
    [
        (lambda services: None, "A token opens this page"),
        (lambda services: services.token("admin", seconds=-5), "The token has expired"),
        (lambda services: "aaa.bbb.ccc", "The token was not accepted"),
        (lambda services: services.token("user", auctions=["other"]), "This token is not enough"),
    ],
    ids=["missing", "expired", "refused", "forbidden"],
)
async def test_a_token_that_does_not_do_is_explained_and_another_one_taken(visit, services, recorded, token, heading):
    """Each case has its own words, shows no figures, and the form leads on."""
    page = await visit(f"/viewers/{recorded}", token=token(services))
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    await expect(tile(page, "peak")).to_be_hidden()
    link = f"{services.backend}/viewers/{recorded}#token={services.token('admin')}"
    await page.get_by_role("textbox", name="Token").fill(link)
    await page.get_by_role("button", name="Open").click()
    await expect(tile(page, "peak")).to_have_text("40")


async def test_a_backend_that_fails_at_first_offers_another_try(visit, services, recorded, admin):
    """Nothing to show yet: the page says what is wrong; the button tries again."""
    page = await visit("/", token=admin)
    await page.route("**/api/**", lambda route: route.fulfill(status=503, body="{}"))
    await page.goto(f"{services.backend}/viewers/{recorded}")
    await expect(page.get_by_role("heading", name="The history could not be loaded")).to_be_visible()
    await page.unroute("**/api/**")
    await page.get_by_role("button", name="Try again").click()
    await expect(tile(page, "peak")).to_have_text("40")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_nothing_is_cut_off(visit, recorded, admin, scheme):
    """At 360 pixels there is no sideways scrolling, and the chart is as wide as its card."""
    page = await visit(f"/viewers/{recorded}", token=admin, size=(360, 740), color_scheme=scheme)
    await expect(tile(page, "peak")).to_have_text("40")
    await page.get_by_text("The figures as a table").click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    widths = await page.evaluate("['.chart', '.uplot'].map((name) => document.querySelector(name).clientWidth)")
    assert widths[0] == widths[1] > 250


async def test_every_control_has_a_name_and_can_be_reached_by_tab(visit, recorded, admin):
    """Tabbing from the top passes everything that can be used, in the order of the page."""
    page = await visit(f"/viewers/{recorded}", token=admin)
    await expect(tile(page, "peak")).to_have_text("40")
    names = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        names.append(await page.evaluate(_NAME_OF_FOCUSED))
    assert names == [
        "Skip to the content", "Presence", "Overview", "API", "Forget token", "Record history", "Live page",
        "24h", "Download CSV", names[9], "The figures as a table", names[11],
    ]  # fmt: skip
    assert names[9].startswith("Viewers, last 24h. Peak 40")


_NAME_OF_FOCUSED = """() => {
    const element = document.activeElement;
    return (element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent).trim();
}"""
