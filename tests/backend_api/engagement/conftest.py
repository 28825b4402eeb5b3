"""Engagement on a database of its own, with a clock that the test sets."""

from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from pymongo import MongoClient

from backend_api.app import running
from backend_api.config import Root
from tests.backend_api.engagement.house import House


@pytest.fixture
def driver():
    """What stores run on; the suites of the stores say both."""
    return "pymongo"


@pytest.fixture
async def house(open_mongo, clock, driver):
    return await House(open_mongo(driver=driver), clock).start(a=["t1", "t2"], b=["t3"])


@pytest.fixture
def make_house(open_mongo, clock):
    """Builds another one on the same database."""
    return lambda **options: House(open_mongo(), clock, **options)


@pytest.fixture
def event(clock):
    """An event of now, with whatever is said otherwise."""

    def build(type_, track="t1", ago=0, **fields):
        own = {
            "play": {"source": "search"},
            "playEnd": {"playId": "p1", "duration": 90.0, "trackDuration": 180.0},
            "like": {"action": "like", "source": "player"},
            "save": {"action": "save", "playlistId": "pl"},
            "share": {"platform": "embed", "source": "player"},
            "download": {"source": "player"},
        }[type_]
        at = round((clock() - ago) * 1_000)
        return {"type": type_, "trackId": track, "sessionId": "s1", "timestamp": at, **own, **fields}

    return build


API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
TOKEN_SECRET = "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
ADMIN = {"roles": ["admin"]}


class Api:
    """A running backend over HTTP."""

    def __init__(self, session, url, clock, database):
        self.session, self.url, self.clock, self.database = session, url, clock, database

    def token(self, **claims):
        payload = {"sub": "u1", "exp": int(self.clock()) + 600} | claims
        return jwt.encode({"alg": "HS256"}, payload, OctKey.import_key(TOKEN_SECRET))

    async def __call__(self, method, path, body=None, *, claims=None, key=None, raw=None, **headers):
        """Status and JSON of a request: as a guest, with a token of these claims, or with the internal key."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers.setdefault("User-Agent", BROWSER)
        headers.setdefault("Content-Type", "application/json")
        if claims is not None:
            headers["Authorization"] = f"Bearer {self.token(**claims)}"
        if key is not None:
            headers["X-Internal-Request"] = key
        data = raw if raw is not None else None if body is None else orjson.dumps(body)
        async with self.session.request(method, self.url + path, data=data, headers=headers) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json(content_type=None)

    async def data(self, method, path, body=None, **options):
        status, answer = await self(method, path, body, **options)
        assert 200 <= status < 300, answer
        return answer["data"]

    async def send(self, *events, **options):
        return await self.data("POST", "/api/stats/events", list(events), **options)

    async def put(self, path, body):
        return await self.data("PUT", path, body, key=API_KEY)

    async def folded(self):
        """Returns when nothing waits to be recounted."""
        while (await self.data("GET", "/api/admin/rollups", claims=ADMIN))["openDays"]:
            pass


@pytest.fixture
async def start_api(embedded_url, clock):
    """Starts the whole program with these settings of engagement."""

    @asynccontextmanager
    async def start(**engagement):
        database = f"test-{uuid4().hex[:12]}"
        settings = Root(
            backend={
                "port": 0,
                "mongo": {"url": embedded_url, "database": database, "embedded": True},
                "engagement": {"rollup_seconds": 0.02} | engagement,
            },
            internal={"api_key": API_KEY},
            auth={"secret": TOKEN_SECRET},
        )
        async with running(settings, now=clock) as backend, aiohttp.ClientSession() as session:
            api = Api(session, backend.url, clock, database)
            while (await api("GET", "/readyz"))[0] != 200:
                pass
            track = {"artistId": "a", "durationSeconds": 180}
            for name in ("t1", "t2"):
                await api.put(f"/api/tracks/{name}", track | {"title": f"Title {name}"})
            yield api
        with MongoClient(embedded_url) as cleaner:
            cleaner.drop_database(database)

    return start


@pytest.fixture
async def api(start_api):
    async with start_api() as api:
        yield api
