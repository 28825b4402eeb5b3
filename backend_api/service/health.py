"""Liveness, readiness and metrics. What readiness depends on is named by the program; draining is readiness' end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Literal

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from backend_api.service.access import unchecked
from backend_api.service.metrics import Metrics
from backend_api.service.routes import RouteTable

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else the reason in words."""

NOTHING: Mapping[str, Check] = MappingProxyType({})

CHECK_TIMEOUT_SECONDS = 2.0


class Alive(BaseModel):
    """The loop runs."""

    status: Literal["ok"] = "ok"


class Health:
    """What this program depends on, and whether it is on its way out."""

    def __init__(self, checks: Mapping[str, Check], degraded: Mapping[str, Check] = NOTHING) -> None:
        """`checks` are what it cannot serve without, `degraded` what it serves worse without, but serves."""
        self._checks = checks
        self._degraded = degraded
        self._is_draining = False

    def drain(self) -> None:
        """From now on this is not ready: balancers shall look elsewhere."""
        self._is_draining = True

    async def reasons(self) -> dict[str, str]:
        """Why it is not ready, by what is to blame; empty when it is."""
        return {"process": "draining"} if self._is_draining else await _reasons(self._checks)

    async def degraded(self) -> dict[str, str]:
        """Why it serves less than all; empty when nothing is missing."""
        return await _reasons(self._degraded)


async def _reasons(checks: Mapping[str, Check]) -> dict[str, str]:
    found = await asyncio.gather(*(_reason(check) for check in checks.values()))
    return {name: reason for name, reason in zip(checks, found, strict=True) if reason is not None}


async def _reason(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_SECONDS:g} s"


def health_table(health: Health, metrics: Metrics) -> RouteTable:
    """`/livez`, `/readyz`, `/metrics`."""
    table = RouteTable("health")

    @table.get("/livez", allow=(unchecked,), summary="Whether the process runs", bare=True)
    async def livez() -> Alive:
        return Alive()

    @table.get("/readyz", allow=(unchecked,), summary="Whether it can serve; 503 with reasons if not")
    async def readyz() -> web.Response:
        reasons, degraded = await health.reasons(), await health.degraded()
        status = "unavailable" if reasons else "degraded" if degraded else "ok"
        body = orjson.dumps({"status": status, "reasons": reasons | degraded})
        return web.Response(body=body, status=503 if reasons else 200, content_type="application/json")

    @table.get("/metrics", allow=(unchecked,), summary="Prometheus' text format")
    async def exposition() -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return table
