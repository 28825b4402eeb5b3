"""A browser, a page server and the JavaScript client for the tests of real clients."""

from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from presence_server.app import running
from tests.browsing import browser, in_its_loop
from tests.presence_server.helpers import making_pages, serving, serving_backend, settings
from tests.presence_server.real_clients.clients import BrowserClient, in_node, in_python

__all__ = ["browser"]

VENDOR = Path(__file__).parents[3] / "backend_api/pages/static/vendor"


@in_its_loop
async def start(tmp_path):
    """Starts a presence server with such settings in its table, in the browser's loop; it stops with the test."""
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(serving_backend())

        async def start(**presence: object):
            return await stack.enter_async_context(running(settings(tmp_path / "data", backend.url, **presence)))

        yield start


@in_its_loop
async def page():
    """Makes pages of the test's own; those that are still open are closed with it."""
    async with making_pages() as make:
        yield make


@in_its_loop
async def page_url():
    """Where the page of the browser is: another origin than the server's."""

    async def page(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__).parent / "page.html")

    async def script(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(VENDOR / "socket.io.esm.min.js")

    async with serving({"/": page, "/socket.io.esm.min.js": script}) as url:
        yield url


@in_its_loop
async def client(request, browser, page_url):
    """The client that the test's parameter names."""
    if request.param == "chromium":
        made = BrowserClient(browser, page_url)
    elif request.param == "node":
        made = in_node(request.getfixturevalue("node_modules"))
    else:
        made = in_python()
    yield made
    await made.stop()
