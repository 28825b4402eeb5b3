"""The whole backend on a database and a clock of the test's, reached over HTTP as several kinds of caller."""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey
from pymongo import MongoClient

from backend_api.app import running
from backend_api.config import Root

API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
TOKEN_SECRET = "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G"


async def in_pieces(request, answer, status=200):
    """Answers JSON as a real network brings it: not in one piece."""
    body = json.dumps(answer).encode()
    response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(0.02)
    await response.write(body[len(body) // 2 :])
    return response


class Api:
    """A running backend over HTTP."""

    def __init__(self, session, url, clock):
        self._session, self.url, self.clock = session, url, clock

    def token(self, **claims):
        payload = {"sub": "u1", "exp": int(self.clock()) + 600} | claims
        return jwt.encode({"alg": "HS256"}, payload, OctKey.import_key(TOKEN_SECRET))

    async def __call__(self, method, path, body=None, *, claims=None, key=API_KEY, headers=None, text=None):
        """Status and JSON (text where it is none), with a user's claims, else with the plain key unless it is None."""
        headers = dict(headers or {})
        if claims is not None:
            headers["Authorization"] = f"Bearer {self.token(**claims)}"
        elif key is not None:
            headers["X-Internal-Request"] = key
        payload = {"data": text} if text is not None else {"json": body}
        async with self._session.request(method, self.url + path, headers=headers, **payload) as response:
            self.headers = response.headers
            if response.content_type.endswith("json"):
                return response.status, await response.json(content_type=None)
            return response.status, await response.text()

    async def data(self, method, path, body=None, **caller):
        """The data of a success."""
        status, answer = await self(method, path, body, **caller)
        assert 200 <= status < 300, answer
        return answer["data"]

    async def is_ready(self):
        async with asyncio.timeout(30):
            while (await self("GET", "/readyz", key=None))[0] != 200:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def backends(clock, embedded_url):
    """Starts the program on a database of its own; sections of `[backend]` may be given."""
    database = f"test-{uuid4().hex[:12]}"
    async with AsyncExitStack() as steps:

        async def start(**sections):
            settings = Root(
                backend={"port": 0, "mongo": {"url": embedded_url, "database": database, "embedded": True}} | sections,
                internal={"api_key": API_KEY},
                auth={"secret": TOKEN_SECRET},
            )
            backend = await steps.enter_async_context(running(settings, now=clock))
            session = await steps.enter_async_context(aiohttp.ClientSession())
            api = Api(session, backend.url, clock)
            await api.is_ready()
            return api

        yield start
    with MongoClient(embedded_url) as cleaner:
        cleaner.drop_database(database)


@pytest.fixture
async def start_backend(clock, embedded_url):
    async with backends(clock, embedded_url) as start:
        yield start
