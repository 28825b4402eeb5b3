"""The whole backend in this process, with a clock that the test moves."""

import asyncio
from uuid import uuid4

import aiohttp
import pytest

from backend_api.app import running
from backend_api.config import Root
from backend_api.contract.wire import at, rfc3339
from scripts.stack.tokens import mint

API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
SECRET = API_KEY[::-1]
INTERNAL = {"X-Internal-Request": API_KEY}


class Api:
    """Calls to the running backend; `as_user` and `as_guest` say who calls."""

    def __init__(self, http, url, clock):
        self.http, self.url, self.clock = http, url, clock

    def user(self, sub, *roles, **claims):
        token = mint(SECRET, {"sub": sub, "roles": list(roles), **claims}, now=self.clock(), ttl_seconds=86_400 * 400)
        return {"Authorization": f"Bearer {token}"}

    async def __call__(self, method, path, body=None, *, headers=INTERNAL, text=None):
        extra = {"data": text, "headers": headers | {"Content-Type": "text/plain"}} if text is not None else None
        options = extra or {"json": body, "headers": headers}
        async with self.http.request(method, self.url + path, **options) as answer:
            kind = answer.content_type
            return answer.status, await (answer.json() if kind.endswith("json") else answer.text())

    async def data(self, method, path, body=None, *, headers=INTERNAL, text=None):
        status, answer = await self(method, path, body, headers=headers, text=text)
        assert 200 <= status < 300, answer
        return answer["data"] if isinstance(answer, dict) else answer

    async def lease(self, node="n1", boot=1):
        now = rfc3339(at(self.clock()))
        return await self.data(
            "POST", "/internal/v1/nodes", {"node": node, "boot": boot, "at": now, "completeThrough": now}
        )

    async def report(self, *intervals):
        return (await self.data("POST", "/internal/v1/sessions", {"intervals": list(intervals)}))["results"]


def reported(session, start, end=None, *, reason="disconnect", name=None, version=None, **fields):
    """An interval as a node reports it."""
    done = {} if end is None else {"closedAt": rfc3339(at(end)), "reason": reason}
    return {
        "kind": "listening",
        "sessionId": session,
        "intervalId": name or f"{session}-1",
        "node": "n1",
        "boot": 1,
        "version": version or (1 if end is None else 2),
        "startedAt": rfc3339(at(start)),
        "lastSeenAt": rfc3339(at(start if end is None else end)),
        "channelId": "c1",
        **done,
        **fields,
    }


@pytest.fixture
async def api(embedded_url, clock):
    """A backend without background jobs' haste: what a test needs of them it reaches by moving the clock."""
    mongo = {"url": embedded_url, "database": f"listening-{uuid4().hex[:12]}", "embedded": True}
    settings = Root(backend={"port": 0, "mongo": mongo}, internal={"api_key": API_KEY}, auth={"secret": SECRET})
    async with running(settings, now=clock) as backend, aiohttp.ClientSession() as http:
        called = Api(http, backend.url, clock)
        async with asyncio.timeout(30):
            while (await called("GET", "/readyz"))[0] != 200:
                await asyncio.sleep(0.02)
        yield called
