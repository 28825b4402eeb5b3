"""Sends a Csv. What fails before its first piece is a clean error; what fails later breaks the connection."""

import re
from contextlib import aclosing

import structlog
from aiohttp import web

from backend_api.service.csv import Csv, pieces

log = structlog.get_logger(__name__)


async def send_csv(request: web.Request, table: Csv, *, bom: bool) -> web.StreamResponse:
    """Streams the table as an attachment; a HEAD is told the headers only."""
    async with aclosing(pieces(table, bom=bom)) as document:
        first = await anext(document)
        response = web.StreamResponse(headers=_headers(table.filename))
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            await response.write(first)
            async for piece in document:
                await response.write(piece)
        except ConnectionError:
            log.debug("download_left", filename=table.filename)
        except Exception:
            # The status is sent; only a connection that breaks tells the reader that this is not all.
            log.exception("download_broke_off", filename=table.filename)
            if request.transport is not None:
                request.transport.abort()
    return response


def _headers(filename: str) -> dict[str, str]:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", filename)
    return {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": f'attachment; filename="{plain}"'}
