"""How a presence server ends, and what it leaves to the next one."""

import asyncio

import pytest
import socketio
from aiohttp import web

from presence_server.app import running
from tests.presence_server.helpers import Page, serving, serving_backend, settings, until


async def test_pages_are_told_when_to_come_back_and_are_closed_without_a_disconnect(tmp_path, backend):
    """Each is given a delay of its own; a lost transport makes clients reconnect, a DISCONNECT would not."""
    pages = [Page() for _ in range(20)]
    async with running(settings(tmp_path, backend.url)) as presence:
        for page in pages:
            await page.open(presence.url)
            await page.join()
    await until(lambda: all(page.reason for page in pages))
    delays = [page.draining[0]["retryInMs"] for page in pages]
    assert all(0 <= delay < 5_000 for delay in delays)
    assert len(set(delays)) > 5
    assert "server disconnect" not in {page.reason for page in pages}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_page_comes_back_by_itself_after_a_restart(tmp_path, backend, transport):
    """It was told to before, and is counted again by the next process; a poll ends without an Engine.IO CLOSE."""
    async with running(settings(tmp_path, backend.url)) as presence:
        page = Page(reconnection=True, reconnection_delay=0.1)
        await page.open(presence.url, transports=[transport])
        await page.join()
        port = int(presence.url.rpartition(":")[2])
    async with running(settings(tmp_path, backend.url, port=port)) as presence:
        await until(lambda: presence.counter.connections == 1)
        await until(lambda: page.client.connected)
        assert len(page.draining) == 1
        assert (await page.join())["viewerCount"] == 1
        await page.client.disconnect()


async def test_the_open_minute_reaches_the_backend(tmp_path, backend):
    """As a partial part with the true figures; nothing waits on the disk."""
    page = Page()
    async with running(settings(tmp_path, backend.url)) as presence:
        await page.open(presence.url)
        await page.join()
    parts = [part for part in backend.parts() if part["room"] == "auction:demo"]
    assert max(part["peakViewers"] for part in parts) == 1
    assert sum(part["joins"] for part in parts) == 1
    assert list(tmp_path.glob("checkpoint-*")) == []


async def test_what_the_backend_could_not_take_is_sent_by_the_next_process(tmp_path):
    """The same bytes under the same id, once."""
    async with serving_backend() as gone:
        url, port = gone.url, int(gone.url.rpartition(":")[2])
    page = Page()
    async with running(settings(tmp_path, url)) as presence:
        await page.open(presence.url)
        await page.join()
    async with serving_backend(port) as backend, running(settings(tmp_path, url)) as presence:
        await until(lambda: backend.requests)
        await until(lambda: presence.outbox.waiting == 0)
    assert [part["peakViewers"] for part in backend.parts()] == [1]


async def test_a_backend_that_never_answers_does_not_hold_up_the_end(tmp_path, monkeypatch):
    """The last sends have a bounded time; what they were about waits on the disk, and the next process sends it."""
    monkeypatch.setattr("presence_server.app.LAST_SENDS_SECONDS", 0.3)

    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    page, loop = Page(), asyncio.get_running_loop()
    async with serving({"/{path:.*}": hang}) as url:
        port = int(url.rpartition(":")[2])
        async with running(settings(tmp_path, url)) as presence:
            await page.open(presence.url)
            await page.join()
            ended_at = loop.time()
        assert loop.time() - ended_at < 5
        assert presence.outbox.waiting == 1
    async with serving_backend(port) as backend, running(settings(tmp_path, url)) as presence:
        await until(lambda: presence.outbox.waiting == 0)
    assert [part["peakViewers"] for part in backend.parts()] == [1]


async def test_a_restart_is_a_new_epoch_of_the_same_node(tmp_path, backend):
    """Clients forget the old one's seq."""
    epochs = []
    for _ in range(2):
        page = Page()
        async with running(settings(tmp_path, backend.url)) as presence:
            await page.open(presence.url)
            epochs.append((await page.join())["epoch"])
    (first, first_boot), (second, second_boot) = (epoch.split(":") for epoch in epochs)
    assert first == second
    assert int(first_boot) < int(second_boot)


async def test_nobody_gets_in_while_it_drains(tmp_path, backend):
    """The port is closed before the first socket is."""
    page, late = Page(), Page()
    async with running(settings(tmp_path, backend.url)) as presence:
        await page.open(presence.url)
        stopping = asyncio.Event()
        page.client.on("server:draining", lambda _details: stopping.set())
        url = presence.url
    await stopping.wait()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await late.open(url)
