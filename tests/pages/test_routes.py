"""What the page routes answer, without a browser and without a database."""

import re
from functools import partial

import pytest
from aiohttp.test_utils import TestClient, TestServer

from backend_api.pages.render import Pages
from backend_api.pages.routes import nowhere, table
from backend_api.service.identity import Identify
from backend_api.service.jwks import KeySource
from backend_api.service.metrics import Metrics
from backend_api.service.settings import AuthSettings, InternalSettings
from backend_api.service.web import RUNNER_OPTIONS, build_app

PRESENCE = "https://presence.example"
PAGES = [
    "/",
    "/live/auction:1",
    "/viewers/auction:1",
    "/live/nonsense",
    "/station-owner/control-panel",
    "/demo/player/c1",
]


@pytest.fixture
async def client():
    pages = Pages(version="1.2.3", presence_url=PRESENCE, presence_path="/socket.io/", backend_url=None)
    auth = AuthSettings(secret="t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G")
    async with KeySource(auth) as keys:
        identify = Identify(InternalSettings(api_key="k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"), auth, keys)
        app = build_app(
            [table],
            identify=identify,
            metrics=Metrics(),
            services=[pages],
            connect_to=[PRESENCE],
            nowhere=partial(nowhere, pages),
        )
        server = TestServer(app)
        await server.start_server(**RUNNER_OPTIONS)
        async with TestClient(server) as talking:
            yield talking


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_html_that_nothing_foreign_gets_into(client, path):
    """Scripts and styles come from here alone, connections go to presence too; nothing is kept, no address is told."""
    answer = await client.get(path)
    assert answer.content_type == "text/html"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {PRESENCE} wss://presence.example"
    assert policy["frame-ancestors"] == "'self'"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_has_no_inline_script_or_style_and_loads_only_what_exists(client, path):
    """What the policy would refuse is not there; every file that a page names is served."""
    text = await (await client.get(path)).text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
        assert (await client.get(name)).status == 200, name


@pytest.mark.parametrize("path", ["/live/", "/viewers/"])
@pytest.mark.parametrize("room", ["nonsense", "Auction:1", "auction:", ":1", "auction:a b", "auction:" + "x" * 129])
async def test_what_is_no_room_gets_a_page_that_says_so(client, path, room):
    """404, with words and a way on."""
    answer = await client.get(path + room)
    text = await answer.text()
    assert answer.status == 404
    assert "There is no such room" in text
    assert 'href="/"' in text


async def test_a_browser_at_no_page_gets_one_and_a_program_gets_a_problem(client):
    """404 both: by what is asked for."""
    seen = await client.get("/nothing/here", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (seen.status, seen.content_type) == (404, "text/html")
    text = await seen.text()
    assert "There is nothing here" in text and 'href="/"' in text
    told = await client.get("/nothing/here")
    assert (told.status, told.content_type) == (404, "application/problem+json")
    odd = await client.get("/nothing/here", headers={"Accept": "text/html", "Host": "a:99999"})
    assert (odd.status, odd.content_type) == (404, "application/problem+json")


async def test_what_comes_from_the_address_is_escaped(client):
    """Markup in a room's name is text on the page."""
    text = await (await client.get("/live/%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27")).text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;" in text


async def test_an_escaped_colon_is_a_colon(client):
    """Links are written either way."""
    answer = await client.get("/live/auction%3A1")
    assert answer.status == 200
    assert 'data-room="auction:1"' in await answer.text()


async def test_pages_do_not_look_at_credentials(client):
    """A wrong token is the scripts' business; the page around it opens."""
    assert (await client.get("/viewers/auction:1", headers={"Authorization": "Bearer wrong"})).status == 200


@pytest.mark.parametrize(
    ("name", "kind"),
    [("style.css", "text/css"), ("client/live.js", "text/javascript"), ("favicon.svg", "image/svg+xml")],
)
async def test_static_files_have_their_type_and_are_sent_once(client, name, kind):
    """The second time the ETag answers."""
    first = await client.get(f"/static/{name}")
    assert (first.status, first.content_type) == (200, kind)
    again = await client.get(f"/static/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize(
    "name", ["%2e%2e/routes.py", "..%2froutes.py", "client", "none.js", "client/..%2f..%2froutes.py", "%2fetc%2fpasswd",
             "x" * 300 + ".css", "a/" * 2_100 + "x.css"]
)  # fmt: skip
async def test_nothing_beside_the_static_files_is_served(client, name):
    """Neither by climbing nor by an absolute path, no folders, no name that no file could have."""
    answer = await client.get(f"/static/{name}")
    assert answer.status == 404
    assert answer.content_type == "application/problem+json"


async def test_pages_elsewhere_may_load_the_client_and_nothing_else(client):
    """Module scripts of another origin need CORS: the client library and what it stands on have it."""
    origin = {"Origin": "https://shop.example"}
    for name, allowed in [("client/live.js", "*"), ("vendor/socket.io.esm.min.js", "*"), ("js/api.js", None)]:
        answer = await client.get(f"/static/{name}", headers=origin)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed, name
