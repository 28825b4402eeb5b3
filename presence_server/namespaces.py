"""What python-socketio calls, each handler one line: the way from its events to `viewers`."""

import logging
from typing import Any

import orjson
import socketio

from backend_api.service.addresses import Networks, client_address
from presence_server.config import SocketSettings
from presence_server.errors import ConnectionRefused
from presence_server.viewers import Ack, Viewers


class Json:
    """orjson as python-socketio wants it: text, not bytes. NaN and Infinity are refused on the way in."""

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        return orjson.loads(text)


def make_server(settings: SocketSettings, origins: frozenset[str]) -> socketio.AsyncServer:
    """The Socket.IO server; handlers of one socket run one after the other, or a leave might overtake its join."""
    quiet = logging.getLogger("socketio.quiet")
    quiet.setLevel(logging.CRITICAL)
    return socketio.AsyncServer(
        async_mode="aiohttp",
        json=Json,
        async_handlers=False,
        cors_allowed_origins="*" if "*" in origins else sorted(origins),
        transports=settings.transports,
        ping_interval=settings.ping_interval_seconds,
        ping_timeout=settings.ping_timeout_seconds,
        max_http_buffer_size=settings.max_payload_bytes,
        http_compression=False,
        logger=quiet,
        engineio_logger=quiet,
    )


def attach(server: socketio.AsyncServer, viewers: Viewers, trusted_proxies: Networks) -> None:
    """Let the default namespace's events reach `viewers`."""

    async def connect(sid: str, environ: dict[str, Any], auth: object) -> None:
        try:
            waiting = viewers.connect(sid, address_of(environ, trusted_proxies), auth)
            if waiting is not None:
                await waiting
        except ConnectionRefused as refused:
            raise socketio.exceptions.ConnectionRefusedError(refused.message, {"code": refused.code}) from None

    def disconnect(sid: str, reason: str) -> None:
        viewers.disconnect(sid)

    def join(sid: str, *arguments: object) -> Ack:
        return viewers.join(sid, arguments)

    def leave(sid: str, *arguments: object) -> Ack:
        return viewers.leave(sid, arguments)

    def watch(sid: str, *arguments: object) -> Ack:
        return viewers.watch(sid, arguments)

    def unwatch(sid: str, *arguments: object) -> Ack:
        return viewers.unwatch(sid, arguments)

    def active(sid: str, *arguments: object) -> None:
        viewers.active(sid, arguments)

    for handler in (connect, disconnect, join, leave, watch, unwatch, active):
        server.on(handler.__name__, handler)


def address_of(environ: dict[str, Any], trusted: Networks) -> str:
    """The client's address, through the proxies that are trusted."""
    request = environ["aiohttp.request"]
    return client_address(request.remote or "", request.headers.getall("X-Forwarded-For", ()), trusted)
