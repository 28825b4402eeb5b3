"""The whole backend on a database: what it serves where, what its document says, how it takes an outage."""

import asyncio

import aiohttp
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from backend_api.app import running
from backend_api.client import BackendClient
from backend_api.config import Root
from backend_api.contract.signing import derive_key
from backend_api.contract.snapshots import RoomPart
from backend_api.contract.wire import at

API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
NOWHERE = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100"
PLAIN = {"X-Internal-Request": API_KEY}


@pytest.fixture
def settings(embedded_url, request):
    def make(**backend):
        mongo = {"url": embedded_url, "database": f"app-{abs(hash(request.node.name))}", "embedded": True}
        viewers = {"analytics_kinds": ["*"]}
        tables = {"port": 0, "mongo": mongo, "viewers": viewers} | backend
        return Root(backend=tables, internal={"api_key": API_KEY}, auth={"secret": API_KEY[::-1]})

    return make


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def get(http, url, **headers):
    async with http.get(url, headers=headers) as answer:
        return answer.status, await answer.json()


async def ready(http, url):
    async with asyncio.timeout(30):
        while (await get(http, f"{url}/readyz"))[0] != 200:
            await asyncio.sleep(0.02)


async def test_a_service_saves_a_minute_and_reads_it_back(settings, http, clock):
    """Ready, signed, stored, charted; with the clock that the test moves."""
    async with running(settings(), now=clock) as backend:
        await ready(http, backend.url)
        async with BackendClient([backend.url], derive_key(API_KEY), now=clock) as client:
            part = RoomPart(timestamp=at(clock()), viewer_count=2, avg_viewers=1.5, peak_viewers=3)
            assert (await client.save_part("auction:a1", part)).saved
            assert (await client.save_part("auction:a1", part)).reason == "duplicate"
            clock.at += 120
            history = await client.history("auction:a1")
            assert [(point.peak_viewers, point.avg_viewers) for point in history.snapshots] == [(3, 1.5)]
            await client.set_settings("auction:a1", enable_viewer_analytics=False)
            assert not (await client.settings("auction:a1")).enable_viewer_analytics


async def test_its_document_is_valid_and_complete(settings, http):
    """OpenAPI 3.1; every operation that it names is served."""
    async with running(settings()) as backend:
        _, document = await get(http, f"{backend.url}/openapi.json")
        OpenAPIV31SpecValidator(document).validate()
        for path, methods in document["paths"].items():
            for method in methods:
                async with http.request(method, backend.url + path.replace("{", "").replace("}", "")) as answer:
                    assert answer.status != 405, (method, path)


async def test_while_the_database_is_away_it_answers_503(settings, http):
    """With Retry-After, and never a 500; what needs no database is served."""
    async with running(settings(mongo={"url": NOWHERE})) as backend:
        async with http.get(f"{backend.url}/api/v1/auctions/a1/settings", headers=PLAIN) as answer:
            assert (answer.status, answer.content_type) == (503, "application/problem+json")
            assert int(answer.headers["Retry-After"]) >= 1
        status, answer = await get(http, f"{backend.url}/readyz")
        assert (status, set(answer["reasons"])) == (503, {"database"})
        assert (await get(http, f"{backend.url}/livez"))[0] == 200
        async with http.get(f"{backend.url}/live/auction:a1") as answer:
            assert answer.status == 200


async def test_internal_paths_can_have_an_address_of_their_own(settings, http):
    """There everything is served; on the public one they are not there and not mentioned."""
    mongo = {"url": NOWHERE}
    async with running(settings(mongo=mongo, internal_host="127.0.0.1", internal_port=0)) as backend:
        for url, is_public in ((backend.url, True), (backend.internal_url, False)):
            async with http.post(f"{url}/internal/v1/snapshots", headers=PLAIN, json={"snapshots": 1}) as answer:
                assert answer.status == (404 if is_public else 422)
            _, document = await get(http, f"{url}/openapi.json")
            assert ("/internal/v1/snapshots" in document["paths"]) is not is_public
            assert "/api/v1/rooms" in document["paths"]


async def test_pages_may_reach_presence_and_its_pages_the_backend(settings, http):
    """The other program's address is in the policy of pages and among the allowed origins."""
    root = settings(mongo={"url": NOWHERE})
    presence = root.presence.model_copy(update={"public_url": "https://live.example"})
    async with running(root.model_copy(update={"presence": presence})) as backend:
        async with http.get(f"{backend.url}/") as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "connect-src 'self' https://live.example wss://live.example;" in policy
        async with http.get(f"{backend.url}/livez", headers={"Origin": "https://live.example"}) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "https://live.example"
