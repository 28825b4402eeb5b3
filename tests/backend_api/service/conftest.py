"""Programs made of a few routes, reached over real sockets, and credentials of every kind."""

import pytest
from aiohttp.test_utils import TestClient, TestServer
from joserfc import jwt
from joserfc.jwk import OctKey

from backend_api.contract.signing import sign
from backend_api.service.identity import Identify
from backend_api.service.jwks import KeySource
from backend_api.service.metrics import Metrics
from backend_api.service.settings import AuthSettings, InternalSettings
from backend_api.service.web import RUNNER_OPTIONS, build_app

API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
TOKEN_SECRET = "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G"
READ_KEY = {"id": "reader", "secret": "r3adMz8QxW6vTb1NyKc5HsJg9LpEfD2U", "scopes": ["read"]}
FULL_KEY = {"id": "full", "secret": "fu11Zk4XvQ7mWb9NyTc2HsJg6LpEdR8A"}


@pytest.fixture
def internal():
    return InternalSettings(api_key=API_KEY, signing_keys=[READ_KEY, FULL_KEY])


@pytest.fixture
def auth():
    return AuthSettings(secret=TOKEN_SECRET)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
async def identify(internal, auth, clock):
    async with KeySource(auth) as keys:
        yield Identify(internal, auth, keys, now=clock)


@pytest.fixture
async def serve_app():
    """Serves an application on a free port and gives a client of it."""
    clients = []

    async def start(app):
        server = TestServer(app)
        await server.start_server(**RUNNER_OPTIONS)
        clients.append(TestClient(server))
        return clients[-1]

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
def serve(serve_app, identify, clock, metrics):
    """The same for route tables; more options go to `build_app`."""

    async def start(*tables, **options):
        return await serve_app(build_app(tables, **{"identify": identify, "metrics": metrics, "now": clock} | options))

    return start


@pytest.fixture
def mint(clock):
    """A user's token; claims are as the contract names them, None leaves one out."""

    def make(secret=TOKEN_SECRET, header=None, **claims):
        given = {"sub": "u1", "exp": int(clock()) + 600} | claims
        given = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(header or {"alg": "HS256"}, given, OctKey.import_key(secret))

    return make


@pytest.fixture
def bearer(mint):
    """The headers of a request with a user's token."""
    return lambda **claims: {"Authorization": f"Bearer {mint(**claims)}"}


@pytest.fixture
def signed(internal, clock):
    """The headers of a signed request."""

    def make(method, target, body=b"", *, key="full", at=None, request_id="r-1"):
        stamp = int(clock() if at is None else at)
        return sign(
            internal.keys()[key], request_id=request_id, timestamp=stamp, method=method, target=target, body=body
        )

    return make
