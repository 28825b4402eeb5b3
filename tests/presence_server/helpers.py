"""What the presence server's tests share: a backend to report to over real HTTP, patience, keys."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
from aiohttp import web

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
        return [part for body in self.bodies for part in orjson.loads(body)["snapshots"]]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
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
    return results(*["saved"] * len(orjson.loads(body)["snapshots"]))


@asynccontextmanager
async def serving_backend(port: int = 0):
    backend = Backend()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", backend.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    backend.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield backend
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something is true; an error where it does not become so in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
