"""The balancers' configurations in the real HAProxy and nginx, in front of real presence processes."""

from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiohttp
import pytest
import socketio
from aiohttp import web

from presence_server.app import running
from tests.end_to_end.balancer import BALANCERS, Balancer
from tests.presence_server.helpers import Page, serving, settings, until


class Front:
    """Two presence processes and a backend behind the balancer."""

    def __init__(self, nodes, ends, asked, balancer):
        self.nodes, self.ends, self.asked, self.balancer = nodes, ends, asked, balancer

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


@pytest.fixture(params=BALANCERS, ids=lambda kind: kind.program)
def balancer(request) -> type[Balancer]:
    return request.param


@pytest.fixture
async def behind(tmp_path, balancer):
    """Starts them with such settings of presence, and such variables of the balancer."""
    async with AsyncExitStack() as steps:

        async def start(*, environ=None, **presence):
            asked = []
            backend = await steps.enter_async_context(serving({"/{path:.*}": _answering(asked)}))
            trusting = {"trusted_proxies": ["127.0.0.1/32"], **presence}
            ends = [await steps.enter_async_context(AsyncExitStack()) for _ in range(2)]
            nodes = [
                await end.enter_async_context(running(settings(tmp_path / str(number), backend, **trusting)))
                for number, end in enumerate(ends)
            ]
            places = [urlsplit(node.url).netloc for node in nodes]
            front = balancer(tmp_path, places, [urlsplit(backend).netloc] * 2, **(environ or {}))
            steps.callback(front.stop)
            return Front(nodes, ends, asked, front)

        yield start


async def test_websockets_spread_over_the_processes(behind):
    """Each newcomer goes where fewer are."""
    front = await behind()
    pages = [await Page().open(front.url) for _ in range(10)]
    assert front.counts() == [5, 5]
    for page in pages:
        await page.client.disconnect()


@pytest.mark.parametrize("balancer", [Balancer], ids=["haproxy"])
async def test_a_process_on_its_way_out_keeps_who_is_there_and_gets_nobody_new(behind):
    """From its readyz on: the others take the newcomers, and nobody is cut off. nginx asks nobody for readiness."""
    front = await behind()
    early = [await Page().open(front.url) for _ in range(4)]
    front.nodes[0].health.drain()
    await until(lambda: "presence-1 is DOWN" in front.balancer.log.read_text(), seconds=60)
    late = [await Page().open(front.url) for _ in range(6)]
    assert front.counts() == [2, 8]
    for page in early:
        await page.join()
    for page in (*early, *late):
        await page.client.disconnect()


async def test_a_process_that_is_gone_gets_nobody_new(behind):
    """Its handshakes go to the other one, also before the balancer has noticed."""
    front = await behind()
    await front.ends[0].aclose()
    pages = [await Page().open(front.url) for _ in range(6)]
    assert front.counts() == [0, 6]
    for page in pages:
        await page.client.disconnect()


async def test_polling_stays_on_one_process_where_the_balancer_goes_by_address(behind, balancer):
    """Every request of a client finds its session."""
    front = await behind(environ={"PRESENCE_BALANCE": balancer.by_address})
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
