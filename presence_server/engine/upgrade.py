"""How a connection becomes a websocket: a new session's, or the better wire of a polling session.

The upgrade of a polling session is a probe until the client has said `5`: nothing of the session changes before, so a
probe that stalls, closes or talks nonsense costs the session nothing.
"""

import asyncio

from presence_server.engine import frames
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
from presence_server.engine.polling import PollingWire
from presence_server.engine.requests import Facts, query_of
from presence_server.engine.sockets import Socket
from presence_server.engine.websocket import WebSocket

_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "


def accept(connections: Connections, transport: asyncio.Transport, key: str, facts: Facts) -> WebSocket | Refusal:
    """Answer an upgrade request: the websocket, already the transport's protocol, or why not (nothing is written)."""
    query = query_of(facts.query)
    refusal = refuse_request(query, facts.origin, connections.settings)
    if refusal is None and connections.draining:
        refusal = DRAINING
    if refusal is None:
        refusal = _refuse_probe(connections, query.sid, query.transport) if query.sid else None
    if refusal is None and not query.sid:
        refusal = refuse_handshake(query, method="GET", upgrade=True)
    sid = query.sid or connections.sids.new()
    if refusal is None and not query.sid and not connections.door.enter(sid, facts):
        refusal = CROWDED
    if refusal is not None:
        return refusal
    head = _SWITCHING + frames.accept_key(key) + b"\r\n\r\n"
    websocket = WebSocket(connections, transport)
    if query.sid:
        websocket.write(head)
        websocket.owner = Probe(connections, connections.sockets[query.sid], websocket)
    else:
        websocket.write(head + frames.frame(frames.TEXT, open_packet(sid, [], connections.settings)))
        websocket.owner = connections.open(sid, facts, websocket)
    transport.set_protocol(websocket)
    return websocket


def _refuse_probe(connections: Connections, sid: str, transport_name: str) -> Refusal | None:
    socket = connections.sockets.get(sid)
    if socket is None:
        return UNKNOWN_SID
    if transport_name != "websocket" or socket.upgrading or not isinstance(socket.wire, PollingWire):
        return BAD_REQUEST
    return None


class Probe:
    """Owns the websocket of an upgrade until the session moves onto it."""

    __slots__ = ("_answered", "_connections", "_socket", "_websocket")

    def __init__(self, connections: Connections, socket: Socket, websocket: WebSocket) -> None:
        self._connections = connections
        self._socket = socket
        self._websocket = websocket
        self._answered = False
        socket.upgrading = True
        connections.probes.start(self, connections.now())

    def receive(self, packet: str | bytes) -> None:
        if packet == "2probe" and not self._answered and self._socket.alive:
            self._answered = True
            self._websocket.send(b"3probe")
            if isinstance(self._socket.wire, PollingWire):
                self._socket.wire.suspend()
        elif packet == "5" and self._answered and self._socket.alive:
            self._switch()
        else:
            self._websocket.owner = None
            self.end("")
            self._websocket.refuse(frames.POLICY, "not an upgrade")

    def _switch(self) -> None:
        """Move the session over with everything that waits for it, in order."""
        socket, old = self._socket, self._socket.wire
        self._connections.probes.stop(self)
        socket.upgrading = False
        self._websocket.owner = socket
        socket.move(self._websocket)
        if isinstance(old, PollingWire):
            for packet in old.retire():
                if isinstance(packet, bytes):
                    self._websocket.send_binary(packet)
                else:
                    self._websocket.send(packet.encode())
        if socket.held:
            self._websocket.hold()

    def end(self, reason: str) -> None:
        """The websocket is gone or useless: the session goes on polling."""
        self._connections.probes.stop(self)
        self._socket.upgrading = False
        if isinstance(self._socket.wire, PollingWire):
            self._socket.wire.resume()

    def abort(self) -> None:
        """The upgrade took too long."""
        self._websocket.abort()
