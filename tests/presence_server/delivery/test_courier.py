"""Delivery to a real HTTP backend that fails in every way."""

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager, closing

import pytest
from aiohttp import web

from backend_api.client import BackendClient
from backend_api.contract.signing import SigningKey, verify
from presence_server.delivery.courier import ITEMS_SET_ASIDE, TOO_OLD, Courier
from presence_server.delivery.outbox import opened
from tests.presence_server.helpers import results, saved, until

PATH = "/internal/v1/snapshots"
KEY = SigningKey("key-1", b"s" * 32, frozenset({"snapshots"}))


def _body(*rooms: str) -> bytes:
    return b'{"snapshots":[%s]}' % b",".join(b'{"room":"%s"}' % room.encode() for room in rooms)


def _status(status: int, **headers: str) -> web.Response:
    return web.Response(status=status, headers=headers)


class Sending:
    """A courier with its outbox; waits are written down and take no time."""

    def __init__(self, outbox, post, sends_per_second=1_000.0):
        self.outbox = outbox
        self.waits: list[float] = []
        self.courier = Courier(outbox, post, sends_per_second, sleep=self._sleep, chance=lambda: 0.5)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def run_until_empty(self):
        running = asyncio.create_task(self.courier.run())
        try:
            await until(lambda: self.outbox.waiting == 0)
        finally:
            running.cancel()


@asynccontextmanager
async def sending(tmp_path, url: str, *, timeout_seconds: float = 5.0, sends_per_second: float = 1_000.0):
    async with (
        opened(tmp_path / "outbox.db", 16 * 1024 * 1024, time.time) as outbox,
        BackendClient([url], KEY, timeout_seconds=timeout_seconds) as client,
    ):
        yield Sending(outbox, client.post_report, sends_per_second)


def _aside(tmp_path):
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database:
        return database.execute("SELECT item, reason FROM set_aside ORDER BY place").fetchall()


async def test_reports_arrive_oldest_first_and_signed(tmp_path, backend):
    """Each once, as the bytes that were kept, under the id that was kept."""
    async with sending(tmp_path, backend.url) as sent:
        await sent.outbox.add(PATH, [_body("a:1"), _body("b:2", "b:3")])
        first = await sent.outbox.oldest()
        await sent.run_until_empty()
    assert backend.bodies == [_body("a:1"), _body("b:2", "b:3")]
    path, body, headers = backend.requests[0]
    assert verify({"key-1": KEY}, headers, method="POST", target=path, body=body, now=time.time()) == KEY
    assert headers["X-Internal-Id"] == first.id


@pytest.mark.parametrize("status", [401, 403, 408, 425, 429, 500, 502, 503])
async def test_a_report_is_sent_again_with_the_same_bytes_until_it_is_taken(tmp_path, backend, status):
    """With longer and longer waits; those behind it wait, too."""
    backend.answer(*[_status(status) for _ in range(3)])
    async with sending(tmp_path, backend.url) as sent:
        await sent.outbox.add(PATH, [_body("a:1"), _body("b:2")])
        await sent.run_until_empty()
    assert backend.bodies == [_body("a:1")] * 4 + [_body("b:2")]
    assert len({headers["X-Internal-Id"] for _, _, headers in backend.requests[:4]}) == 1
    assert sent.waits[:3] == [0.75, 1.5, 3.0]
    assert sent.courier.outcomes["again"] == 3


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_report_that_is_never_taken_is_set_aside_and_does_not_block_the_rest(tmp_path, backend, status):
    """It is kept for an operator, with the answer, and counted."""
    backend.answer(web.Response(status=status, text="no, thanks"))
    async with sending(tmp_path, backend.url) as sent:
        await sent.outbox.add(PATH, [_body("a:1"), _body("b:2")])
        await sent.run_until_empty()
    assert backend.bodies == [_body("a:1"), _body("b:2")]
    assert _aside(tmp_path) == [(_body("a:1"), f"status {status}: no, thanks")]
    assert sent.courier.outcomes[ITEMS_SET_ASIDE] == 1


async def test_single_items_called_invalid_are_set_aside(tmp_path, backend):
    """Duplicates and disabled rooms are fine."""
    backend.answer(results("saved", "invalid", "duplicate", "disabled"))
    async with sending(tmp_path, backend.url) as sent:
        await sent.outbox.add(PATH, [_body("a:1", "b:2", "c:3", "d:4")])
        await sent.run_until_empty()
    assert _aside(tmp_path) == [(b'{"room":"b:2"}', "bad room")]


async def test_a_success_that_is_not_the_backends_is_no_success(tmp_path, backend):
    """A proxy's page with status 200 makes nothing forgotten."""
    backend.answer(web.Response(text="<html>hello</html>"), results("saved", "saved"))
    async with sending(tmp_path, backend.url) as sent:
        await sent.outbox.add(PATH, [_body("a:1")])
        await sent.run_until_empty()
    assert len(backend.bodies) == 3


async def test_a_report_that_the_backend_would_not_take_any_more_is_dropped_and_counted(tmp_path, backend):
    """After a week without a backend the oldest reports go, loudly; those that are still taken arrive."""
    now = 1_000_000.0
    async with opened(tmp_path / "outbox.db", 16 * 1024 * 1024, lambda: now) as outbox:
        await outbox.add(PATH, [_body("a:1"), _body("b:2")])
        now += 300
        await outbox.add(PATH, [_body("c:3")])
        async with BackendClient([backend.url], KEY, timeout_seconds=5.0) as client:
            courier = Courier(outbox, client.post_report, 1_000.0, taken_for_seconds=600.0, now=lambda: now)
            now += 400
            assert await courier.empty() is True
    assert backend.bodies == [_body("c:3")]
    assert (courier.outcomes[TOO_OLD], outbox.waiting) == (2, 0)


async def test_retry_after_is_honoured(tmp_path, backend):
    """The backend knows better when it is back."""
    backend.answer(_status(503, **{"Retry-After": "17"}))
    async with sending(tmp_path, backend.url) as sent:
        await sent.outbox.add(PATH, [_body("a:1")])
        await sent.run_until_empty()
    assert sent.waits[0] == 17.0


async def test_a_report_on_which_the_backend_chokes_lets_the_others_pass(tmp_path, backend):
    """After five answers of 500; it is still sent again, and arrives when the backend is mended."""

    async def choking(_request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=500) if b"poison" in body else saved(body)

    backend.answers = [choking] * 7
    async with sending(tmp_path, backend.url) as sent:
        await sent.outbox.add(PATH, [_body("poison:1"), _body("b:2")])
        await sent.run_until_empty()
    assert backend.bodies == [_body("poison:1")] * 5 + [_body("b:2")] + [_body("poison:1")] * 2


async def test_a_backend_that_is_away_hangs_or_breaks_off_loses_nothing(tmp_path, backend):
    """No connection, no answer in time, half an answer."""

    async def hang(_request: web.Request, _body: bytes) -> web.StreamResponse:
        await asyncio.sleep(30)
        raise AssertionError("nobody waits so long")

    async def break_off(request: web.Request, _body: bytes) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b'{"success": true')
        request.transport.abort()
        return answer

    backend.answers = [hang, break_off]
    async with sending(tmp_path, backend.url, timeout_seconds=0.2) as sent:
        await sent.outbox.add(PATH, [_body("a:1")])
        await sent.run_until_empty()
        assert sent.courier.outcomes["again"] == 2
    assert backend.bodies == [_body("a:1")] * 3
    async with sending(tmp_path, "http://127.0.0.1:9") as sent:
        await sent.outbox.add(PATH, [_body("b:2")])
        assert await sent.courier.empty() is False
        assert sent.outbox.waiting == 1


async def test_what_gathered_in_an_outage_is_sent_at_a_limited_rate(tmp_path, backend):
    """One report each fifth of a second, not all at once."""
    async with sending(tmp_path, backend.url, sends_per_second=5) as sent:
        await sent.outbox.add(PATH, [_body(f"a:{number}") for number in range(10)])
        await sent.run_until_empty()
        assert sent.waits[:9] == [0.2] * 9


async def test_a_report_that_could_not_be_forgotten_is_sent_once_more(tmp_path, backend):
    """Better twice to an idempotent backend than lost; the courier lives on."""
    async with sending(tmp_path, backend.url) as sent:
        await sent.outbox.add(PATH, [_body("a:1")])
        await sent.outbox._database.execute("PRAGMA query_only = ON")
        assert await sent.courier.next() > 0
        await sent.outbox._database.execute("PRAGMA query_only = OFF")
        await sent.run_until_empty()
    assert backend.bodies == [_body("a:1")] * 2
