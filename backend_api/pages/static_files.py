"""Serves what pages load: style, scripts, and the client library, which pages of other origins may load too."""

from pathlib import Path

from aiohttp import web

from backend_api.service.errors import NotFound

ROOT = Path(__file__).with_name("static").resolve()

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".LICENSE": "text/plain; charset=utf-8",
}
_FOR_OTHER_ORIGINS = ("client", "vendor")


def static_file(name: str) -> web.FileResponse:
    """The file `name` beneath `static/`; NotFound if there is none. Browsers ask each time, the ETag saves the body."""
    path = _existing(name)
    kind = None if path is None else _TYPES.get(path.suffix)
    if path is None or kind is None:
        raise NotFound("There is no such file.")
    headers = {"Content-Type": kind, "Cache-Control": "no-cache"}
    if path.relative_to(ROOT).parts[0] in _FOR_OTHER_ORIGINS:
        headers |= {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
    return web.FileResponse(path, headers=headers)


def _existing(name: str) -> Path | None:
    try:
        path = (ROOT / name).resolve()
        return path if path.is_relative_to(ROOT) and path.is_file() else None
    except OSError:  # A name that is too long for the file system.
        return None
