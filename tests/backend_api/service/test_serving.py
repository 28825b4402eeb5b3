"""A program on its port: how it gets it, and how it leaves it."""

import asyncio
import socket

import aiohttp
import pytest

from backend_api.service import serving as module
from backend_api.service.access import anyone
from backend_api.service.errors import ConfigError, StartError
from backend_api.service.routes import RouteTable
from backend_api.service.serving import serving, url_of
from backend_api.service.web import build_app


class Gate:
    """A handler waits at it, and says so."""

    def __init__(self):
        self.reached, self.opened = asyncio.Event(), asyncio.Event()


@pytest.fixture
async def gate():
    return Gate()


@pytest.fixture
def app(identify, metrics, gate):
    table = RouteTable("slow")

    @table.get("/slow", allow=(anyone,), summary="Waits")
    async def slow(*, gate: Gate) -> str:
        gate.reached.set()
        await gate.opened.wait()
        return "done"

    return build_app([table], identify=identify, metrics=metrics, services=[gate])


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def status_of(http, url):
    async with http.get(url) as answer:
        return answer.status


async def test_a_request_in_flight_finishes_and_no_new_one_is_taken(app, gate, http):
    """First the port closes."""
    async with serving(app, "127.0.0.1", 0) as url:
        slow = asyncio.create_task(status_of(http, f"{url}/slow"))
        await gate.reached.wait()
        leaving = asyncio.get_running_loop().call_later(0.1, gate.opened.set)
    assert await slow == 200
    assert leaving.when() <= asyncio.get_running_loop().time()
    with pytest.raises(aiohttp.ClientConnectorError):
        await status_of(http, f"{url}/slow")


async def test_a_request_that_does_not_end_is_given_up(app, gate, http, monkeypatch):
    """A shutdown takes a bounded time."""
    monkeypatch.setattr(module, "FINISH_SECONDS", 0.05)
    async with asyncio.timeout(30):
        async with serving(app, "127.0.0.1", 0) as url:
            slow = asyncio.create_task(status_of(http, f"{url}/slow"))
            await gate.reached.wait()
        with pytest.raises(aiohttp.ClientError):
            await slow


async def test_idle_connections_do_not_hold_a_shutdown_up(app, http):
    """A kept-alive one is closed at once."""
    async with asyncio.timeout(30):
        async with serving(app, "127.0.0.1", 0) as url:
            assert await status_of(http, f"{url}/nothing") == 404


async def test_a_port_in_use_may_be_free_later_and_a_foreign_address_never_is(app):
    """The first is temporary, the second configuration; both say where."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"127.0.0.1:{port}: the port is in use"):
            async with serving(app, "127.0.0.1", port):
                raise AssertionError
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:0"):
        async with serving(app, "192.0.2.1", 0):
            raise AssertionError


async def test_a_port_is_never_shared(app):
    """Two programs on one port would each get some of the requests."""
    async with serving(app, "127.0.0.1", 0) as url:
        with socket.socket() as second:
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                second.bind(("127.0.0.1", int(url.rpartition(":")[2])))


def test_an_ipv6_address_is_bracketed():
    """As URLs have it."""
    assert url_of("::1", 80) == "http://[::1]:80"
    assert url_of("127.0.0.1", 80) == "http://127.0.0.1:80"
