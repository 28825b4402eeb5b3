"""Serves the OpenAPI document and a small page that shows it. The page is files; nothing comes from elsewhere."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from aiohttp import web

from backend_api.service.access import unchecked
from backend_api.service.openapi import document
from backend_api.service.routes import RouteTable

_FILES = {"docs.css": "text/css", "docs.js": "text/javascript", "docs.html": "text/html"}


def documented(title: str, version: str, tables: Sequence[RouteTable]) -> list[RouteTable]:
    """The tables and one more, which documents them all: `/openapi.json` and `/docs`."""
    table = RouteTable("documentation")
    everything = [*tables, table]

    @table.get("/openapi.json", allow=(unchecked,), summary="This API as OpenAPI 3.1", bare=True)
    async def openapi() -> dict[str, Any]:
        return described

    @table.get("/docs", allow=(unchecked,), summary="This API as a page")
    async def page() -> web.Response:
        return _file("docs.html")

    @table.get("/docs/docs.js", allow=(unchecked,), summary="The page's script")
    async def script() -> web.Response:
        return _file("docs.js")

    @table.get("/docs/docs.css", allow=(unchecked,), summary="The page's style")
    async def style() -> web.Response:
        return _file("docs.css")

    described = document(title, version, everything)
    return everything


def _file(name: str) -> web.Response:
    return web.Response(body=_read(name), content_type=_FILES[name], charset="utf-8")


@cache
def _read(name: str) -> bytes:
    return files(__package__).joinpath("docs", name).read_bytes()
