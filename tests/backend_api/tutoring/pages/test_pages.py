"""The teacher's and the admin's pages in a real browser."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from tests.browsing import BROWSER_TESTS

pytestmark = BROWSER_TESTS

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
    await page.get_by_role("button", name="Cancel: Sam").click()
    await expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()


async def test_an_admin_sees_filters_and_corrects(api, make_link, context):
    """Names, duration and totals; a formula or a tag in a name is text; the correction counts."""
    await held(api, make_link, 1_801, names={"student": "<b>=Sam</b>"})
    page = await opened(api, context, "/admin/teacher-sessions", ADMIN)
    await expect(page.get_by_role("cell", name="<b>=Sam</b>").first).to_be_visible()
    await expect(page.get_by_role("cell", name="30:01").first).to_be_visible()
    await page.get_by_role("button", name="Correct").click()
    await page.get_by_label("Duration", exact=True).fill("60")
    await page.get_by_label("Reason").fill("lost connection")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("measured 30:01")).to_be_visible()
    await expect(page.get_by_text("set to 1:00:00 by boss")).to_contain_text("lost connection")
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
    await expect(page.get_by_text("rounded up to 15 min")).to_be_visible()
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
    """The form that is submitted twice at once, and again before the answer, makes one link and one message."""
    page = await opened(api, context, "/teacher", TEACHER)
    await page.get_by_role("button", name="Send Zoom link: Sam").click()
    await page.get_by_label("Meeting link").fill("https://zoom.us/j/1")
    await page.evaluate("for (const _ of [1, 2]) document.querySelector('[data-send-form]').requestSubmit()")
    await expect(page.get_by_text("Sam has the link.")).to_be_visible()
    rows = (await api.data("GET", "/api/admin/teacher-sessions", claims=ADMIN))["sessions"]
    assert (len(rows), len(telegram.messages)) == (1, 1)


@pytest.mark.parametrize("words", ["Send again: Sam", "Cancel: Sam"])
async def test_a_busy_button_acts_once(api, make_link, context, words):
    """Two clicks before the answer are one request."""
    await make_link()
    page = await opened(api, context, "/teacher", TEACHER)
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.method in ("POST", "DELETE") else None)
    await page.get_by_role("button", name=words).dblclick()
    await expect(page.locator("[data-banner]")).to_be_visible()
    assert len(asked) == 1


async def test_a_refresh_keeps_the_focus(api, make_link, context):
    """Of a row that stayed as it was, and of one that changed meanwhile."""
    link = await make_link()
    page = await opened(api, context, "/teacher", TEACHER)
    again = page.get_by_role("button", name="Send again: Sam")
    await again.focus()
    await api("POST", f"/api/teachers/links/{link['id']}/resend")
    await make_link()
    await refreshed(page)
    await expect(page.locator("[data-sessions] tr")).to_have_count(2)
    row = page.locator(f"[data-sessions] tr[data-key='{link['id']}']")
    await expect(row.get_by_role("button", name="Send again: Sam")).to_be_focused()
    await api("DELETE", f"/api/teachers/links/{link['id']}")
    await refreshed(page)
    await expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    assert await page.evaluate("document.activeElement.getAttribute('aria-labelledby')") == "today-title"


async def refreshed(page):
    """As after fifteen seconds."""
    async with page.expect_response("**/api/teachers/sessions?*"):
        await page.clock.run_for(16_000)


async def test_what_began_yesterday_is_in_sight_after_midnight(api, make_link, context):
    """The lesson that goes on and the link that still opens; what is over is gone."""
    over, running, _ = [await make_link(names={"student": name}) for name in ("Ada", "Ben", "Cora")]
    await api("POST", "/api/zoom/start", {"token": running["trackingToken"]}, key=None)
    api.clock.at += 15 * 3_600
    await api("DELETE", f"/api/teachers/links/{over['id']}")
    await context.clock.set_fixed_time(datetime.fromtimestamp(api.clock(), UTC))
    page = await opened(api, context, "/teacher", TEACHER)
    await expect(page.get_by_role("row", name="Ben")).to_contain_text("Active")
    await expect(page.get_by_role("button", name="Cancel: Cora")).to_be_visible()
    await expect(page.get_by_role("row", name="Ada")).to_have_count(0)


async def test_a_link_that_expired_says_so(api, make_link, context):
    """To the admin who looks at the days before."""
    await make_link()
    api.clock.at += 86_401
    await context.clock.set_fixed_time(datetime.fromtimestamp(api.clock(), UTC))
    page = await opened(api, context, "/admin/teacher-sessions", ADMIN)
    await expect(page.get_by_text("Expired", exact=True)).to_be_visible()


async def test_a_banner_goes_when_the_server_is_back(api, make_link, context):
    """What a failed refresh said is taken back by the next one; what somebody did stays said."""
    await make_link()
    page = await opened(api, context, "/teacher", TEACHER)
    await expect(page.get_by_role("button", name="Cancel: Sam")).to_be_visible()
    await context.route("**/api/**", lambda route: route.abort())
    await page.clock.run_for(16_000)
    await expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    await context.unroute("**/api/**")
    await refreshed(page)
    await expect(page.get_by_text("The server cannot be reached.")).to_be_hidden()
    await page.get_by_role("button", name="Cancel: Sam").click()
    await refreshed(page)
    await expect(page.locator("[data-banner]")).to_have_text("Cancelled.")


@pytest.mark.parametrize("path", ["/admin/statements", "/admin/teacher-sessions"])
async def test_a_refused_filter_shows_no_figures(api, make_link, context, path):
    """Those of the filter before are gone until there are others; what is wrong is said in words."""
    await held(api, make_link, 1_801)
    page = await opened(api, context, path, ADMIN)
    amount = page.get_by_role("cell", name="30.00 EUR")
    await expect(amount).to_be_visible()
    teacher = page.get_by_label("Teacher's id")
    await teacher.fill("t 1")
    await teacher.press("Tab")
    await expect(page.get_by_text("no spaces")).to_be_visible()
    await expect(page.get_by_text("pattern")).to_have_count(0)
    await expect(amount).to_be_hidden()
    await teacher.fill("t1")
    await teacher.press("Tab")
    await expect(amount).to_be_visible()
    await expect(page.get_by_text("no spaces")).to_be_hidden()


async def test_a_statement_tells_corrected_time_from_measured(api, make_link, context):
    """What is billed from, how many lessons were corrected, and what was measured."""
    await held(api, make_link, 1_801)
    (row,) = (await api.data("GET", "/api/admin/teacher-sessions", claims=ADMIN))["sessions"]
    fix = {"durationMinutes": 60, "reason": "x"}
    await api.data("PATCH", f"/api/admin/teacher-sessions/{row['id']}", fix, claims=ADMIN)
    page = await opened(api, context, "/admin/statements", ADMIN)
    await expect(page.get_by_role("cell", name="1:00:00")).to_contain_text("measured 30:01")
    await expect(page.get_by_text("1 corrected")).to_be_visible()
    page = await opened(api, context, "/teacher", TEACHER)
    await expect(page.get_by_role("cell", name="1:00:00")).to_contain_text("measured 30:01")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    ("path", "claims", "wanted"),
    [
        ("/teacher", TEACHER, ["Send Zoom link", "Send again", "Cancel"]),
        ("/admin/teacher-sessions", ADMIN, ["Correct", "40 EUR per hour", "1:15:01", "for 1:30:00"]),
        ("/admin/statements", ADMIN, ["60.00 EUR", "90"]),
    ],
)
async def test_what_matters_is_in_sight(api, make_link, context, path, claims, wanted, width):
    """Nothing has to be scrolled sideways for, on a small laptop and on a phone."""
    await held(api, make_link, 4_501)
    await make_link()
    page = await opened(api, context, path, claims)
    await page.set_viewport_size({"width": width, "height": 900})
    for words in wanted:
        box = await page.get_by_text(words, exact=True).first.bounding_box()
        assert box["x"] >= 0, words
        assert box["x"] + box["width"] <= width, words
    hidden = "[...document.querySelectorAll('.scroll')].filter((part) => part.scrollWidth > part.clientWidth).length"
    assert await page.evaluate(hidden) == 0


async def test_the_evidence_is_shown(api, make_link, context):
    """A start from the sender's own address, what the page claimed, and whether the message arrived."""
    link = await make_link()
    api.clock.at -= 600
    await api("POST", "/api/zoom/start", {"token": link["trackingToken"]}, key=None)
    api.clock.at += 600
    end = {"token": link["trackingToken"], "duration": 30}
    await api("POST", "/api/zoom/end-session", end, key=None)
    page = await opened(api, context, "/admin/teacher-sessions", ADMIN)
    await expect(page.get_by_text("page said 30:00 (+20:00)")).to_be_visible()
    await expect(page.get_by_text("started at the sender's address")).to_be_visible()
    await expect(page.get_by_text("message delivered")).to_be_visible()


@pytest.mark.parametrize("typed", ["", " ", "abc", "1:75", "30:01"])
async def test_an_empty_or_unchanged_duration_corrects_nothing(api, make_link, context, typed):
    """The dialog says what is wrong, nothing is sent, the seconds stay."""
    await held(api, make_link, 1_801)
    page = await opened(api, context, "/admin/teacher-sessions", ADMIN)
    await page.get_by_role("button", name="Correct").click()
    await expect(page.get_by_label("Duration", exact=True)).to_have_value("30:01")
    await page.get_by_label("Duration", exact=True).fill(typed)
    await page.get_by_label("Reason").fill("a reason")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#correct-problem")).not_to_be_empty()
    (row,) = (await api.data("GET", "/api/admin/teacher-sessions", claims=ADMIN))["sessions"]
    assert (row["billedFromSeconds"], row["corrections"]) == (1_801, [])


async def test_a_correction_keeps_its_seconds(api, make_link, context):
    """Minutes and seconds as they were typed."""
    await held(api, make_link, 1_801)
    page = await opened(api, context, "/admin/teacher-sessions", ADMIN)
    await page.get_by_role("button", name="Correct").click()
    await page.get_by_label("Duration", exact=True).fill("1:02:03")
    await page.get_by_label("Reason").fill("a reason")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("cell", name="1:02:03").first).to_be_visible()
    (row,) = (await api.data("GET", "/api/admin/teacher-sessions", claims=ADMIN))["sessions"]
    assert row["billedFromSeconds"] == 3_723
