"""The protocol on the port: a websocket upgrade beyond doubt is taken here, everything else goes to the HTTP server.

Every connection begins here, under a deadline and a limit for its first request's head.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from presence_server.engine.admission import DRAINING, Refusal
from presence_server.engine.connections import Connections
from presence_server.engine.requests import facts, read_upgrade
from presence_server.engine.upgrade import accept

_LINE, _END = b"\r\n", b"\r\n\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Front(asyncio.Protocol):
    """A connection whose first request has not been read yet."""

    __slots__ = ("_buffer", "_connections", "_http", "_transport")

    def __init__(self, connections: Connections, http: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._http = http
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._connections.settings.write_high_bytes)
        self._connections.heads.start(self, self._connections.now())

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.heads.stop(self)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        # Blank lines before a request are passed over (RFC 9112 section 2.2); they do not stop its clock.
        data = self._buffer + data if self._buffer else data.lstrip(_LINE)
        end = data.find(_END)
        if end >= 0:
            self._connections.heads.stop(self)
            self._decide(data, end)
        elif len(data) > self._connections.settings.max_head_bytes:
            self._answer(_TOO_LARGE)
        elif data and not _may_be_a_head(data):
            self._answer(_BAD)
        else:
            self._buffer = data

    def _decide(self, data: bytes, end: int) -> None:
        settings = self._connections.settings
        upgrade = read_upgrade(data[:end], settings.path) if end <= settings.max_head_bytes else None
        if upgrade is None:
            self._hand_over(data)
            return
        transport = self._transport
        peer = transport.get_extra_info("peername")
        scheme = "https" if transport.get_extra_info("sslcontext") is not None else "http"
        known = facts(upgrade.query, scheme, peer[0] if peer else "", upgrade.headers, settings.kept_headers)
        outcome = accept(self._connections, transport, upgrade.key, known)
        if isinstance(outcome, Refusal):
            self._answer(outcome.response())
        elif len(data) > end + len(_END):
            outcome.data_received(data[end + len(_END) :])

    def _hand_over(self, data: bytes) -> None:
        protocol = self._http()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(data)

    def _answer(self, response: bytes) -> None:
        self._connections.heads.stop(self)
        self._transport.write(response)
        self._transport.close()

    def refuse(self) -> None:
        """The server is going away."""
        self._answer(DRAINING.response())

    def abort(self) -> None:
        self._transport.abort()


def _may_be_a_head(data: bytes) -> bool:
    """Whether the unfinished head could still become a proper one of HTTP/1: only that is worth waiting for."""
    line, ended, _ = data.partition(_LINE)
    if data.count(b"\n") != data.count(_LINE) or not line[:1].isalpha():
        return False
    return not ended or line[-9:-1] == b" HTTP/1."
