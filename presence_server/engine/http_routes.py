"""Engine.IO over HTTP, as one aiohttp handler: handshake, poll, post, and upgrades on connections aiohttp owns."""

import asyncio

from aiohttp import web

from presence_server.engine.admission import (
    BAD_REQUEST,
    CROWDED,
    DRAINING,
    UNKNOWN_SID,
    Refusal,
    open_packet,
    refuse_handshake,
    refuse_request,
)
from presence_server.engine.connections import Connections
from presence_server.engine.packets import BadPacket, decode_payload, encode_payload
from presence_server.engine.polling import PollingWire
from presence_server.engine.requests import Facts, asks_for_websocket, facts, merge, query_of
from presence_server.engine.sockets import TRANSPORT_CLOSE, Socket
from presence_server.engine.upgrade import accept
from presence_server.engine.websocket import WebSocket

_TEXT = "text/plain; charset=UTF-8"


class HttpRoutes:
    """The Socket.IO path as an aiohttp handler."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket" and request.method == "GET":
            return self._upgrade(request)
        origin = request.headers.get("Origin", "")
        query = query_of(request.query_string)
        if request.method == "OPTIONS":
            return _preflight(request) if self._connections.settings.allows_origin(origin) else _refused(BAD_REQUEST)
        refusal = refuse_request(query, origin, self._connections.settings)
        if refusal is None and self._connections.draining:
            refusal = DRAINING
        if refusal is None and not query.sid:
            refusal = refuse_handshake(query, method=request.method, upgrade=False)
        if refusal is not None:
            return _refused(refusal, origin)
        return await self._use(request, query.sid, origin) if query.sid else self._open(request, origin)

    def _open(self, request: web.Request, origin: str) -> web.StreamResponse:
        connections, settings = self._connections, self._connections.settings
        sid, known = connections.sids.new(), _facts(request, connections.settings.kept_headers)
        if not connections.door.enter(sid, known):
            return _refused(CROWDED, origin)
        wire = PollingWire(settings.write_limit_bytes)
        wire.socket = connections.open(sid, known, wire)
        upgrades = ["websocket"] if "websocket" in settings.transports else []
        return _answer(open_packet(sid, upgrades, settings).decode(), origin)

    async def _use(self, request: web.Request, sid: str, origin: str) -> web.StreamResponse:
        socket = self._connections.sockets.get(sid)
        if socket is None:
            return _refused(UNKNOWN_SID, origin)
        wire = socket.wire
        if not isinstance(wire, PollingWire) or request.method not in ("GET", "POST"):
            return _refused(BAD_REQUEST, origin)
        if request.method == "GET":
            return await self._poll(request, socket, wire, origin)
        if wire.posting:
            socket.fail(BadPacket("two posts at once"))
            return _refused(BAD_REQUEST, origin)
        wire.posting = True
        try:
            return await self._post(request, socket, wire, origin)
        finally:
            wire.posting = False

    async def _poll(self, request: web.Request, socket: Socket, wire: PollingWire, origin: str) -> web.StreamResponse:
        """Answer with what waits. A client that hangs up on its poll, or on the answer, is gone."""
        if wire.polled:
            socket.fail(BadPacket("two polls at once"))
            return _refused(BAD_REQUEST, origin)
        try:
            response = _answer(encode_payload(await wire.packets()), origin)
            await response.prepare(request)
            await response.write_eof()
        except (asyncio.CancelledError, ConnectionError):
            self._hung_up(socket, wire)
            raise
        return response

    async def _post(self, request: web.Request, socket: Socket, wire: PollingWire, origin: str) -> web.StreamResponse:
        settings = self._connections.settings
        try:
            async with asyncio.timeout(settings.body_seconds):
                body = await _read(request, settings.max_payload_bytes)
                if body is None:
                    socket.fail(BadPacket("payload is too big"))
                    return _answer("payload is too big", origin, status=413)
                for packet in _packets(request, body):
                    socket.receive(packet)
                    await wire.uncrowded()
        except (TimeoutError, BadPacket) as error:
            socket.fail(error if isinstance(error, BadPacket) else BadPacket("the body took too long"))
        except (asyncio.CancelledError, ConnectionError, web.RequestPayloadError):
            self._hung_up(socket, wire)
            raise
        if socket.alive or wire.final != "1":
            return _answer("ok", origin)
        return _refused(BAD_REQUEST, origin)

    def _hung_up(self, socket: Socket, wire: PollingWire) -> None:
        if socket.wire is wire:
            socket.end(TRANSPORT_CLOSE)
            wire.abort()

    def _upgrade(self, request: web.Request) -> web.StreamResponse:
        """Take the connection back from aiohttp: proxies send upgrades down connections that carried requests."""
        transport, headers = request.transport, merge((name.lower(), value) for name, value in request.headers.items())
        if transport is None or headers is None or not asks_for_websocket(headers) or request.version != (1, 1):
            return _refused(BAD_REQUEST)
        outcome = accept(
            self._connections,
            transport,
            headers["sec-websocket-key"],
            _facts(request, self._connections.settings.kept_headers),
        )
        if isinstance(outcome, Refusal):
            return _refused(outcome)
        _detach(request, outcome)
        raise asyncio.CancelledError


def _detach(request: web.Request, websocket: WebSocket) -> None:
    """Part aiohttp's handler from the transport, as if the connection were lost, and hand on what it had read."""
    handler = request.protocol
    tail = handler._message_tail
    paused = handler._reading_paused or handler._buffer_paused
    handler.transport = None
    handler.connection_lost(None)
    if paused and not websocket.transport.is_closing():
        websocket.transport.resume_reading()
    if tail:
        websocket.data_received(tail)


async def _read(request: web.Request, limit: int) -> bytes | None:
    """The whole body in however many segments it comes; None when it is longer than the limit."""
    if (request.content_length or 0) > limit:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _packets(request: web.Request, body: bytes) -> list[str | bytes]:
    if request.content_type == "application/octet-stream" and "Content-Type" in request.headers:
        raise BadPacket("binary payloads are of another version of the protocol")
    return decode_payload(body)


def _facts(request: web.Request, keep: tuple[str, ...]) -> Facts:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    headers = {name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers}
    return facts(request.query_string, request.scheme, peer[0] if peer else "", headers, keep)


def _answer(text: str, origin: str, status: int = 200) -> web.Response:
    headers = {"Content-Type": _TEXT, "Cache-Control": "no-store"} | _cors(origin)
    return web.Response(body=text.encode(), headers=headers, status=status)


def _refused(refusal: Refusal, origin: str = "") -> web.Response:
    headers = {"Content-Type": "application/json"} | (_cors(origin) if refusal.status != 403 else {})
    return web.Response(body=refusal.body(), status=refusal.status, headers=headers)


def _cors(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}


def _preflight(request: web.Request) -> web.Response:
    allowed = {"Access-Control-Allow-Methods": "GET, POST, OPTIONS", "Access-Control-Max-Age": "600"}
    asked = request.headers.get("Access-Control-Request-Headers")
    headers = allowed | ({"Access-Control-Allow-Headers": asked} if asked else {})
    return web.Response(status=204, headers=headers | _cors(request.headers.get("Origin", "")))
