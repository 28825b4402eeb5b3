"""The viewer feature on a database of its own, with a clock that the test moves, and parts to feed it."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC
from uuid import uuid4

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from prometheus_client import CollectorRegistry
from pymongo import MongoClient
from yarl import URL

from backend_api.app import running
from backend_api.config import Root
from backend_api.contract.signing import derive_key, sign
from backend_api.contract.snapshots import RoomPart
from backend_api.contract.wire import at, rfc3339
from backend_api.viewers.charts import Asked, Charts
from backend_api.viewers.documents import indexes
from backend_api.viewers.intake import Intake, Sent
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.packer import Packer
from backend_api.viewers.reader import HistoryReader
from backend_api.viewers.rooms import RoomDirectory
from backend_api.viewers.settings import EVERY_KIND, RoomSwitches
from backend_api.viewers.store import PartStore

API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
TOKEN_SECRET = "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G"
DAY = 86_400
KEEPING = Keeping(parts_seconds=8 * DAY, minutes_seconds=90 * DAY, summaries_seconds=730 * DAY)
ROOM = "auction:demo"
JSON = {"Content-Type": "application/json"}


@dataclass
class Viewers:
    """Everything of the feature, wired as the program wires it."""

    mongo: object
    clock: object
    keeping: Keeping = KEEPING

    def __post_init__(self):
        self.store = PartStore(self.mongo, self.clock)
        self.reader = HistoryReader(self.mongo, self.keeping, self.clock)
        self.charts = Charts(self.reader, self.keeping, UTC, self.clock)
        self.packer = Packer(self.mongo, self.keeping, self.clock)
        self.switches = RoomSwitches(self.mongo, [EVERY_KIND], self.clock)
        self.intake = Intake(self.store, self.switches, self.keeping, CollectorRegistry())
        self.directory = RoomDirectory(self.mongo)

    def other_process(self, **changes):
        """The same feature in another process on the same database."""
        return replace(self, **changes)

    async def take(self, *parts, room=ROOM):
        """The status of each part."""
        results = await self.intake.take([Sent(room, part) for part in parts], self.clock())
        return [result.status for result in results]

    async def history(self, room=ROOM, **asked):
        return await self.charts.history(room, Asked(**asked))

    async def ensure(self):
        await self.mongo.ensure(indexes(self.keeping))
        return self


@pytest.fixture
async def viewers(mongo, clock):
    """The feature through every driver."""
    return await Viewers(mongo, clock).ensure()


@pytest.fixture
async def viewers_once(open_mongo, clock):
    """The feature through one driver, for what the driver does not matter to."""
    return await Viewers(open_mongo(), clock).ensure()


@pytest.fixture
def make_part():
    """A part of a minute in which `count` viewers stayed: on all of its twelve slots, or on those named."""

    def make(minute_at, count=1, *, node="n1", boot=1, numbers=range(12), roster=None, part=None):
        slots = [[number, count, count, count, count, count * 5, 5] for number in numbers]
        return RoomPart.model_validate(
            {"timestamp": rfc3339(at(minute_at)), "viewerCount": count, "avgViewers": count, "peakViewers": count,
             "node": node, "boot": boot, "part": part, "slots": slots, "roster": roster}
        )  # fmt: skip

    return make


@pytest.fixture
def viewers_on():
    """Wires the feature on a given database and clock."""
    return Viewers


class Api:
    """A running backend over HTTP, as three kinds of caller."""

    def __init__(self, session, url, clock):
        self._session = session
        self._url = url
        self._clock = clock

    async def __call__(self, method, path, body=None, *, key=API_KEY, claims=None):
        """Status and JSON (text where it is none) of a request with the plain key, a token, or neither."""
        headers = {"X-Internal-Request": key} if key and claims is None else {}
        if claims is not None:
            payload = {"sub": "u1", "exp": int(self._clock()) + 600} | claims
            token = jwt.encode({"alg": "HS256"}, payload, OctKey.import_key(TOKEN_SECRET))
            headers["Authorization"] = f"Bearer {token}"
        async with self._session.request(method, self._url + path, json=body, headers=headers) as response:
            self.headers = response.headers
            if response.content_type.endswith("json"):
                return response.status, await response.json(content_type=None)
            return response.status, await response.text()

    def signed(self, method, path, body):
        """A signed request of now; each call sends the same bytes, and gives the data of the answer."""
        text = json.dumps(body).encode()
        headers = sign(
            derive_key(API_KEY),
            request_id=uuid4().hex,
            timestamp=int(self._clock()),
            method=method,
            target=path,
            body=text,
        )

        async def send():
            url = URL(self._url + path, encoded=True)
            async with self._session.request(method, url, data=text, headers=headers | JSON) as response:
                assert response.status == 200, await response.text()
                return (await response.json())["data"]

        return send

    async def data(self, method, path, body=None, **caller):
        """The data of a success."""
        status, answer = await self(method, path, body, **caller)
        assert status == 200, answer
        assert answer["success"] is True
        return answer["data"]

    async def is_ready(self):
        async with asyncio.timeout(30):
            while (await self("GET", "/readyz"))[0] != 200:
                await asyncio.sleep(0.02)


@pytest.fixture
async def start_backend(clock):
    """Starts the whole program on a database."""
    async with AsyncExitStack() as steps:

        async def start(url, database, **viewers):
            settings = Root(
                backend={
                    "port": 0,
                    "mongo": {"url": url, "database": database, "embedded": True},
                    "viewers": {"analytics_kinds": ["*"]} | viewers,
                },
                internal={"api_key": API_KEY},
                auth={"secret": TOKEN_SECRET},
            )
            backend = await steps.enter_async_context(running(settings, now=clock))
            session = await steps.enter_async_context(aiohttp.ClientSession())
            return Api(session, backend.url, clock)

        yield start


@pytest.fixture
async def api(start_backend, embedded_url):
    """The whole program on a database of its own, ready."""
    database = f"test-{uuid4().hex[:12]}"
    api = await start_backend(embedded_url, database)
    await api.is_ready()
    yield api
    with MongoClient(embedded_url) as cleaner:
        cleaner.drop_database(database)
