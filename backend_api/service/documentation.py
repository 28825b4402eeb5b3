"""Serves the OpenAPI document and a small page that shows it. The page is files; nothing comes from elsewhere."""

import asyncio
from collections.abc import Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any, Literal

from aiohttp import web

from backend_api.contract.wire import Wire
from backend_api.service.access import unchecked
from backend_api.service.openapi import document
from backend_api.service.routes import RouteTable

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class PartPath(Wire):
    """A file of the page."""

    name: Literal["docs.css", "docs.js", "docs.svg"]


def documented(title: str, version: str, tables: Sequence[RouteTable]) -> list[RouteTable]:
    """The tables and one more, which documents them all: `/openapi.json` and `/docs`."""
    table = RouteTable("documentation")
    everything = [*tables, table]
    # Made when it is first asked for, beside the loop: it takes about as long as all else that a start does.
    described = cache(partial(document, title, version, everything))

    @table.get("/openapi.json", allow=(unchecked,), summary="This API as OpenAPI 3.1", bare=True)
    async def openapi() -> dict[str, Any]:
        return await asyncio.to_thread(described)

    @table.get("/docs", allow=(unchecked,), summary="This API as a page")
    async def page() -> web.Response:
        return _file("docs.html")

    @table.get("/docs/{name}", allow=(unchecked,), summary="What the page loads")
    async def part(*, path: PartPath) -> web.Response:
        return _file(path.name)

    return everything


def _file(name: str) -> web.Response:
    return web.Response(body=_read(name), content_type=_TYPES[name.rpartition(".")[2]], charset="utf-8")


@cache
def _read(name: str) -> bytes:
    return files(__package__).joinpath("docs", name).read_bytes()
