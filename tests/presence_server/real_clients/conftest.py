"""A browser, a page server and the JavaScript client for the tests of real clients."""

from pathlib import Path

import pytest
from aiohttp import web

from tests.presence_server.helpers import serving
from tests.presence_server.real_clients.clients import BrowserClient, in_node, in_python

VENDOR = Path(__file__).parents[3] / "backend_api/pages/static/vendor"


@pytest.fixture
async def page_url():
    """Where the page of the browser is: another origin than the server's."""

    async def page(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__).parent / "page.html")

    async def script(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(VENDOR / "socket.io.esm.min.js")

    async with serving({"/": page, "/socket.io.esm.min.js": script}) as url:
        yield url


@pytest.fixture
async def client(request, page_url):
    """The client that the test's parameter names."""
    if request.param == "chromium":
        made = BrowserClient(page_url)
    elif request.param == "node":
        made = in_node(request.getfixturevalue("node_modules"))
    else:
        made = in_python()
    yield made
    await made.stop()
