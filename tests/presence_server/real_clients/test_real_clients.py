"""Real clients in a room, on every transport, gone in every way: the count is exact and never above the truth."""

import asyncio

import pytest

from tests.browsing import in_its_loop
from tests.presence_server.helpers import until
from tests.presence_server.real_clients.wire import wired

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]
INTERVAL_SECONDS, TIMEOUT_SECONDS = 1.0, 3.0
"""Short, but not so short that a busy machine loses the watcher, which lives in the same loop as the server."""
TIMES = {"ping_interval_seconds": INTERVAL_SECONDS, "ping_timeout_seconds": TIMEOUT_SECONDS}


@in_its_loop
async def presence(start, page_url):
    return await start(socket=TIMES, allowed_origins=[page_url])


@in_its_loop
async def watcher(presence, page):
    """Hears the room and is not counted in it."""
    watching = await page().open(presence.url)
    await watching.call("watch", {"room": "auction:demo"})
    return watching


@in_its_loop
async def wire(presence):
    async with wired(presence.url) as wire:
        yield wire


@pytest.mark.parametrize("end", ["leave", "close", "refresh", "reset", "silence"])
@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
@pytest.mark.parametrize("client", ["chromium", "node", "python"], indirect=True)
async def test_a_client_is_counted_exactly_once_and_out_again(presence, watcher, wire, client, transports, end):
    """One while it is there, none when it has gone in whichever way, one again after a refresh; no socket stays."""
    await client.open(wire.url, transports)
    assert (await client.act("join"))["viewerCount"] == 1
    await watcher.sees(1)
    await _go(client, wire, end)
    if end == "refresh":
        await client.refresh(wire.url, transports)
        await until(lambda: 0 in [count for count, _ in watcher.updates])
        assert (await client.act("join"))["viewerCount"] == 1
        await client.close()
    await watcher.sees(0)
    if end == "leave":
        await client.close()
    await until(lambda: presence.counter.connections == 1)
    await asyncio.sleep(0.2)
    assert max(count for count, _ in watcher.updates) == 1
    assert watcher.count == 0


async def _go(client, wire, end: str) -> None:
    if end == "leave":
        assert (await client.act("leave"))["viewerCount"] == 0
    elif end == "close":
        await client.close()
    elif end == "reset":
        # Between two polls nothing is lost: the client simply asks again.
        await asyncio.sleep(0.3)
        wire.reset()
    elif end == "silence":
        wire.go_silent()
