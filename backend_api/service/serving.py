"""Puts an application on a port and takes it off again. Knows no routes."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from backend_api.service.errors import ConfigError, StartError
from backend_api.service.web import RUNNER_OPTIONS

FINISH_SECONDS = 5.0
"""How long requests in flight may take to finish once the port is closed."""


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serves `app` and gives its URL; on leaving, the port closes first, then what is in flight finishes.

    Port 0 takes any free one. StartError if the port is in use, ConfigError if it cannot be had at all.
    """
    runner = web.AppRunner(app, shutdown_timeout=FINISH_SECONDS, **RUNNER_OPTIONS)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        yield url_of(host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port, reuse_port=False).start()
    except OSError as error:
        raise cannot_listen(host, port, error) from None


def url_of(host: str, port: int) -> str:
    """`http://127.0.0.1:8080`."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def cannot_listen(host: str, port: int, error: OSError) -> StartError | ConfigError:
    """What to tell the operator when binding fails."""
    where = f"cannot listen on {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return StartError(f"{where}: the port is in use")
    return ConfigError(f"{where}: {error.strerror}")
