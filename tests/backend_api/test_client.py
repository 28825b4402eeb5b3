"""What services of ours call the backend with: signatures, failing over, and what the errors say."""

import asyncio
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from backend_api.client import BackendClient, BackendError
from backend_api.contract.signing import ALL_SCOPES, SigningKey, verify
from backend_api.contract.snapshots import Part, RoomPart

KEY = SigningKey("k1", b"3mQ8vZx7Lr9TnB4wHs6YdFc1GpAeJ2Ku", ALL_SCOPES)
PART = RoomPart(viewer_count=3, avg_viewers=2.5, peak_viewers=4)


class Backend:
    """A backend that keeps what it was sent and answers what the test says, or nothing."""

    def __init__(self, now):
        self._now = now
        self.requests = []
        self.answer = {"success": True, "data": {"saved": True}}
        self.status = 200
        self.headers = {}

    async def serve(self, request):
        body = await request.read()
        key = verify(
            {KEY.id: KEY}, request.headers, method=request.method, target=request.raw_path, body=body, now=self._now()
        )
        self.requests.append((request.method, request.raw_path, body, key is not None))
        if self.answer is None:
            await asyncio.sleep(60)
        if isinstance(self.answer, bytes):
            return web.Response(body=self.answer, status=self.status, headers=self.headers)
        return web.json_response(self.answer, status=self.status, headers=self.headers)

    @property
    def last(self):
        return self.requests[-1]


@pytest.fixture
async def start(clock):
    servers = []

    async def run():
        backend = Backend(clock)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", backend.serve)
        servers.append(TestServer(app))
        await servers[-1].start_server(shutdown_timeout=0)
        backend.url = str(servers[-1].make_url("/"))
        backend.stop = servers[-1].close
        return backend

    yield run
    for server in servers:
        await server.close()


@pytest.fixture
async def backend(start):
    return await start()


@pytest.fixture
async def client_of(clock):
    opened = []

    async def open_client(*backends, **options):
        opened.append(BackendClient([backend.url for backend in backends], KEY, now=clock, **options))
        return await opened[-1].__aenter__()

    yield open_client
    for client in opened:
        await client.__aexit__(None, None, None)


async def test_every_call_is_signed_as_it_is_sent(backend, client_of):
    """Method, target with its query, body."""
    client = await client_of(backend)
    assert (await client.save_part("auction:a1", PART)).saved
    assert backend.last[:2] == ("POST", "/api/v1/rooms/auction:a1/analytics/snapshot")
    assert backend.last[2] == b'{"viewerCount":3,"avgViewers":2.5,"peakViewers":4,"sampleCount":12}'

    backend.answer = {"success": True, "data": {"enableViewerAnalytics": True}}
    assert (await client.settings("auction:a1")).enable_viewer_analytics
    await client.set_settings("auction:a1", enable_viewer_analytics=False)
    assert backend.last[:3] == ("PATCH", "/api/v1/rooms/auction:a1/settings", b'{"enableViewerAnalytics":false}')

    backend.answer = {"success": True, "data": {"results": [{"status": "saved"}]}}
    part = Part(room="auction:a1", viewer_count=1, avg_viewers=1, peak_viewers=1)
    assert [result.status for result in (await client.save_parts([part])).results] == ["saved"]

    assert all(is_signed for *_, is_signed in backend.requests)


async def test_history_is_asked_for_by_name_or_by_its_edges(backend, client_of):
    """All of it unless said otherwise; the query is signed too."""
    summary = {
        "totalSnapshots": 0, "overallPeak": 0, "overallAvg": 0.0, "overallMin": 0, "duration": 0, "viewerMinutes": 0.0,
    }  # fmt: skip
    backend.answer = {"success": True, "data": {"snapshots": [], "summary": summary, "resolution": "1m"}}
    client = await client_of(backend)
    path = "/api/v1/rooms/auction:a1/analytics/viewers"

    await client.history("auction:a1")
    assert backend.last[1] == f"{path}?timeRange=all&resolution=auto"
    await client.history("auction:a1", time_range="24h", resolution="1h")
    assert backend.last[1] == f"{path}?timeRange=24h&resolution=1h"
    history = await client.history("auction:a1", start=datetime(2026, 11, 21, tzinfo=UTC))
    assert backend.last[1] == f"{path}?from=2026-11-21T00%3A00%3A00Z&resolution=auto"
    assert backend.last[3]
    assert history.resolution == "1m"


async def test_a_report_is_sent_byte_by_byte_and_any_answer_is_given_back(backend, client_of):
    """What it means is the sender's decision."""
    client = await client_of(backend)
    backend.answer, backend.status, backend.headers = b"slow down", 429, {"Retry-After": "7"}

    answer = await client.post_report("/internal/v1/snapshots", b'{ "snapshots" : [] }', "r-1")

    assert answer == (429, b"slow down", "7")
    assert answer.retryable
    assert backend.last == ("POST", "/internal/v1/snapshots", b'{ "snapshots" : [] }', True)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, True), (403, True), (404, False), (408, True), (413, False), (422, False), (425, True),
     (429, True), (500, True), (503, True)],
)  # fmt: skip
async def test_an_error_says_whether_a_retry_can_help(backend, client_of, status, retryable):
    """By the contract; with the backend's own words."""
    client = await client_of(backend)
    backend.status, backend.answer = status, {"title": "No", "status": status, "detail": "because", "requestId": "x"}
    with pytest.raises(BackendError, match=f"{status}: because") as failed:
        await client.save_part("auction:a1", PART)
    assert (failed.value.status, failed.value.retryable) == (status, retryable)


async def test_a_refusal_by_something_else_has_no_words_and_does_no_harm(backend, client_of):
    """A proxy's page in the place of a problem."""
    client = await client_of(backend)
    backend.status, backend.answer = 404, b"<html>"
    with pytest.raises(BackendError, match="404: no reason given"):
        await client.settings("auction:a1")


@pytest.mark.parametrize("answer", [b"", b"<html>fine</html>", b'{"success": true}', b'{"data": {"saved": "maybe"}}'])
async def test_a_success_that_is_not_the_backends_is_an_error(backend, client_of, answer):
    """A proxy that answers 200 for a backend that is away has saved nothing."""
    client = await client_of(backend)
    backend.answer = answer
    with pytest.raises(BackendError) as failed:
        await client.save_part("auction:a1", PART)
    assert failed.value.retryable


async def test_a_newer_backend_may_say_more(backend, client_of):
    """Unknown fields of an answer are left aside."""
    client = await client_of(backend)
    backend.answer = {"success": True, "more": 1, "data": {"saved": True, "shard": 4}}
    assert (await client.save_part("auction:a1", PART)).saved


async def test_another_backend_is_asked_when_one_is_away_or_fails(start, client_of):
    """Whoever answered last is asked first."""
    away, failing, fine = await start(), await start(), await start()
    client = await client_of(away, failing, fine)
    await away.stop()
    failing.status = 503

    assert (await client.save_part("auction:a1", PART)).saved
    assert (await client.save_part("auction:a1", PART)).saved

    assert (len(failing.requests), len(fine.requests)) == (1, 2)
    fine.status = failing.status = 500
    with pytest.raises(BackendError) as failed:
        await client.save_part("auction:a1", PART)
    assert failed.value.status == 500


async def test_a_refusal_is_final_and_not_carried_to_the_next_backend(start, client_of):
    """What one calls invalid, all do."""
    first, second = await start(), await start()
    client = await client_of(first, second)
    first.status = 422
    with pytest.raises(BackendError):
        await client.save_part("auction:a1", PART)
    assert second.requests == []


async def test_a_backend_that_does_not_answer_in_time_is_left(start, client_of):
    """The next one is asked; with none left it is an error that a retry may cure."""
    silent, fine = await start(), await start()
    silent.answer = None
    client = await client_of(silent, fine, timeout_seconds=0.1)
    assert (await client.save_part("auction:a1", PART)).saved
    alone = await client_of(silent, timeout_seconds=0.1)
    with pytest.raises(BackendError, match="no answer in time") as failed:
        await alone.post_report("/internal/v1/snapshots", b"{}", "r-1")
    assert (failed.value.status, failed.value.retryable) == (None, True)


async def test_a_redirect_is_not_followed(backend, client_of):
    """Signatures are for the backend that was configured."""
    client = await client_of(backend)
    backend.status, backend.headers = 302, {"Location": "/elsewhere"}
    with pytest.raises(BackendError):
        await client.settings("auction:a1")
    assert len(backend.requests) == 1


async def test_a_url_may_have_a_path_of_its_own(backend, client_of):
    """A balancer may publish the backend beneath one; the signature covers it."""
    backend.url += "prefix/"
    client = await client_of(backend)
    await client.save_part("auction:a1", PART)
    assert backend.last[1] == "/prefix/api/v1/rooms/auction:a1/analytics/snapshot"
    assert backend.last[3]


def test_without_a_url_there_is_nobody_to_ask():
    """Found when it is built."""
    with pytest.raises(ValueError, match="URL"):
        BackendClient([], KEY)


@pytest.mark.parametrize(
    "room", ["auction:a?x=1", "auction:a/../b", "auction:a#", "auction", "", "auction:a%2fb", None]
)
async def test_what_is_no_room_is_not_made_a_path(backend, client_of, room):
    """ValueError, and nothing is sent."""
    client = await client_of(backend)
    for call in (
        client.settings(room),
        client.set_settings(room, enable_viewer_analytics=True),
        client.history(room),
        client.save_part(room, PART),
    ):
        with pytest.raises(ValueError, match="no room"):
            await call
    assert backend.requests == []
