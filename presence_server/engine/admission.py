"""Who may open or use a session, and how Engine.IO says no. Pure.

The error codes and their messages are those of the Engine.IO v4 reference server.
"""

from typing import NamedTuple

import orjson

from presence_server.engine.requests import Query
from presence_server.engine.settings import EngineSettings

VERSION = "4"
TRANSPORTS = ("polling", "websocket")


class Refusal(NamedTuple):
    """An Engine.IO error: HTTP status, code and message of the body."""

    status: int
    code: int
    message: str

    def body(self) -> bytes:
        return orjson.dumps({"code": self.code, "message": self.message})

    def response(self) -> bytes:
        """The whole HTTP answer, for a connection that no HTTP server is behind."""
        body = self.body()
        reason = {400: "Bad Request", 403: "Forbidden", 429: "Too Many Requests", 503: "Service Unavailable"}[
            self.status
        ]
        head = f"HTTP/1.1 {self.status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"Connection: close\r\n\r\n" + body


UNKNOWN_TRANSPORT = Refusal(400, 0, "Transport unknown")
UNKNOWN_SID = Refusal(400, 1, "Session ID unknown")
BAD_METHOD = Refusal(400, 2, "Bad handshake method")
BAD_REQUEST = Refusal(400, 3, "Bad request")
FORBIDDEN = Refusal(403, 4, "Forbidden")
BAD_VERSION = Refusal(400, 5, "Unsupported protocol version")
DRAINING = Refusal(503, 3, "Draining")
CROWDED = Refusal(429, 3, "Too many connections")


def refuse_request(query: Query, origin: str, settings: EngineSettings) -> Refusal | None:
    """What holds for every request, whether it opens a session or uses one."""
    if not settings.allows_origin(origin):
        return FORBIDDEN
    if query.transport not in settings.transports:
        return UNKNOWN_TRANSPORT
    return None


def refuse_handshake(query: Query, *, method: str, upgrade: bool) -> Refusal | None:
    """What holds for a request that would open a session."""
    if method != "GET":
        return BAD_METHOD
    if (query.transport == "websocket") != upgrade:
        return BAD_REQUEST
    if query.version != VERSION:
        return BAD_VERSION
    return None


def open_packet(sid: str, upgrades: list[str], settings: EngineSettings) -> bytes:
    """The Engine.IO packet that opens a session; times are announced in milliseconds."""
    return b"0" + orjson.dumps(
        {
            "sid": sid,
            "upgrades": upgrades,
            "pingInterval": round(settings.ping_interval_seconds * 1000),
            "pingTimeout": round(settings.ping_timeout_seconds * 1000),
            "maxPayload": settings.max_payload_bytes,
        }
    )
