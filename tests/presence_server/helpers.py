"""What the presence server's tests share: a backend over real HTTP, pages over real sockets, settings, patience."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from joserfc import jwt
from joserfc.jwk import OctKey

from presence_server.config import Root
from presence_server.sessions.reports import NODES_PATH
from tests.clients import Client

API_KEY = "k3y-for-tests-0f9a7c51d2e84b36a1b0"
TOKEN_SECRET = "t0ken-secret-for-tests-7d1e93c0b5aa42"


class Backend:
    """A backend over real HTTP: keeps what it is sent and answers what the test says, one answer after the other."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes, dict[str, str]]] = []
        self.answers: list[Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]] = []
        self.url = ""

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, body, _ in self.requests]

    def parts(self) -> list[dict]:
        return [part for body in self.bodies for part in orjson.loads(body).get("snapshots", ())]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path == NODES_PATH:  # Leases come by themselves; no test here is about them.
            return web.json_response({"success": True, "data": {"reportOpen": False}})
        self.requests.append((request.path, body, dict(request.headers)))
        return await self.answers.pop(0)(request, body) if self.answers else saved(body)

    def answer(self, *answers: web.Response) -> None:
        """Answer the next requests so; after that, everything is saved."""

        def giving(answer: web.Response):
            async def give(_request: web.Request, _body: bytes) -> web.StreamResponse:
                return answer

            return give

        self.answers += map(giving, answers)


def results(*statuses: str) -> web.Response:
    """The answer to a batch; an invalid item says why."""
    listed = [{"status": s, **({"errors": ["bad room"]} if s == "invalid" else {})} for s in statuses]
    return web.json_response({"success": True, "data": {"results": listed}})


def saved(body: bytes) -> web.Response:
    [items] = orjson.loads(body).values()
    return results(*["saved"] * len(items))


@asynccontextmanager
async def serving(handlers: Mapping[str, Handler], port: int = 0):
    """A small HTTP server; its URL."""
    app = web.Application()
    for path, handler in handlers.items():
        app.router.add_route("*", path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving_backend(port: int = 0):
    backend = Backend()
    async with serving({"/{path:.*}": backend.handle}, port) as backend.url:
        yield backend


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is true; an error where it does not become so in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def settings(data_dir: Path, backend_url: str, *, jwks_url: str | None = None, **presence: object) -> Root:
    """The settings of a presence server on a free port; `presence` is what the table says beside that."""
    auth = {"secret": TOKEN_SECRET} if jwks_url is None else {"jwks_url": jwks_url}
    own = {"port": 0, "data_dir": data_dir, "backend": {"urls": [backend_url]}, **presence}
    return Root.model_validate({"presence": own, "internal": {"api_key": API_KEY}, "auth": auth})


def token(*, seconds: float = 86_400, **claims: object) -> str:
    """A user's token that is valid for so long from now."""
    payload = {"sub": "ada", "exp": time.time() + seconds, **claims}
    return jwt.encode({"alg": "HS256"}, payload, OctKey.import_key(TOKEN_SECRET))


class Page:
    """A page of a host application: one client, the updates it heard, how it ended."""

    def __init__(self, **options: object) -> None:
        self.client = Client(**{"reconnection": False, **options})
        self.updates: list[tuple[int, dict]] = []
        self.draining: list[dict] = []
        self.reason: str | None = None
        self.refusal: dict | None = None
        self.client.on("viewerCountUpdate", lambda count, details: self.updates.append((count, details)))
        self.client.on("server:draining", self.draining.append)
        self.client.on("disconnect", self._ended)
        self.client.on("connect_error", self._refused)

    def _ended(self, reason: str) -> None:
        self.reason = reason

    def _refused(self, refusal: dict) -> None:
        self.refusal = refusal

    async def open(self, url: str, *, auth: object = None, transports: Sequence[str] = ("websocket",), **headers: str):
        await self.client.connect(url, auth=auth, transports=list(transports), headers=headers)
        return self

    async def call(self, event: str, *arguments: object) -> dict:
        return await self.client.call(event, arguments, timeout=30)

    async def join(self, room: str = "auction:demo") -> dict:
        return await self.call("join", {"room": room})

    @property
    def count(self) -> int | None:
        """The newest count it heard."""
        return self.updates[-1][0] if self.updates else None

    async def sees(self, count: int, seconds: float = 30.0) -> None:
        await until(lambda: self.count == count, seconds)


@asynccontextmanager
async def making_pages():
    """Makes pages; those that are still open are closed at the end."""
    pages = []

    def make() -> Page:
        pages.append(Page())
        return pages[-1]

    yield make
    for made in pages:
        await made.client.disconnect()
