"""The balancer's configuration in the real HAProxy, in front of real presence processes."""

import shutil
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiohttp
import pytest
import socketio
from aiohttp import web

from presence_server.app import running
from tests.end_to_end.balancer import Balancer
from tests.presence_server.helpers import Page, serving, settings, until

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="NOT RUN: there is no haproxy")


class Front:
    """Two presence processes and a backend behind the balancer."""

    def __init__(self, nodes, asked, balancer):
        self.nodes, self.asked, self.balancer = nodes, asked, balancer

    @property
    def url(self) -> str:
        return self.balancer.presence

    def counts(self) -> list[int]:
        return [node.counter.connections for node in self.nodes]


def _answering(asked):
    """A backend that notes which paths it is asked for."""

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    return answer


@pytest.fixture
async def behind(tmp_path):
    """Starts them with such settings of presence, and such variables of the balancer."""
    async with AsyncExitStack() as steps:

        async def start(*, environ=None, **presence):
            asked = []
            backend = await steps.enter_async_context(serving({"/{path:.*}": _answering(asked)}))
            trusting = {"trusted_proxies": ["127.0.0.1/32"], **presence}
            nodes = [
                await steps.enter_async_context(running(settings(tmp_path / name, backend, **trusting)))
                for name in ("1", "2")
            ]
            places = [urlsplit(node.url).netloc for node in nodes]
            balancer = Balancer(tmp_path / "haproxy.log", places, [urlsplit(backend).netloc] * 2, **(environ or {}))
            steps.callback(balancer.stop)
            return Front(nodes, asked, balancer)

        yield start


async def test_websockets_spread_over_the_processes(behind):
    """Each newcomer goes where fewer are."""
    front = await behind()
    pages = [await Page().open(front.url) for _ in range(10)]
    assert front.counts() == [5, 5]
    for page in pages:
        await page.client.disconnect()


async def test_a_process_on_its_way_out_keeps_who_is_there_and_gets_nobody_new(behind):
    """From its readyz on: the others take the newcomers, and nobody is cut off."""
    front = await behind()
    early = [await Page().open(front.url) for _ in range(4)]
    front.nodes[0].health.drain()
    await until(lambda: "presence-1 is DOWN" in front.balancer.log.read_text())
    late = [await Page().open(front.url) for _ in range(6)]
    assert front.counts() == [2, 8]
    for page in early:
        await page.join()
    for page in (*early, *late):
        await page.client.disconnect()


async def test_polling_stays_on_one_process_where_the_balancer_goes_by_address(behind):
    """Every request of a client finds its session."""
    front = await behind(environ={"PRESENCE_BALANCE": "source"})
    pages = [await Page().open(front.url, transports=["polling"]) for _ in range(5)]
    for page in pages:
        assert (await page.join())["ok"] is True
    assert sorted(front.counts()) == [0, 5]
    for page in pages:
        await page.client.disconnect()


async def test_a_browser_cannot_say_that_it_is_somebody_else(behind):
    """What it sends as a forwarded address is replaced by its own: its share is counted against itself."""
    front = await behind(limits={"sockets_per_address": 1})
    pages = [Page() for _ in range(4)]
    for number, page in enumerate(pages[:2]):
        await page.open(front.url, **{"X-Forwarded-For": f"198.51.100.{number}"})
    for number, page in enumerate(pages[2:]):
        with pytest.raises(socketio.exceptions.ConnectionError):
            await page.open(front.url, **{"X-Forwarded-For": f"203.0.113.{number}"})
        assert page.refusal["data"]["code"] == "too_many_sockets"
    for page in pages[:2]:
        await page.client.disconnect()


async def test_what_is_for_services_and_machines_is_not_for_browsers(behind):
    """Probes, metrics and internal paths end at the balancer; the rest arrives."""
    front = await behind()
    async with aiohttp.ClientSession() as http:
        for base, path, status in (
            (front.url, "/metrics", 404),
            (front.url, "/readyz", 404),
            (front.balancer.backend, "/metrics", 404),
            (front.balancer.backend, "/internal/v1/snapshots", 404),
            (front.url, "/openapi.json", 200),
            (front.balancer.backend, "/docs", 200),
        ):
            async with http.get(base + path) as answer:
                assert answer.status == status, path
    assert not [path for path in front.asked if path == "/metrics" or path.startswith("/internal/v1/snapshots")]
    assert "/docs" in front.asked
