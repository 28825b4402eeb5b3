"""The sockets as this program sees them: one encoded message to many, closing, liveness.

The only module that knows how python-socketio and its engine keep their sockets; replacing the engine changes this one.
"""

from collections.abc import Iterable

import socketio
from engineio import packet as engine
from socketio import packet

from presence_server.rooms import DEFAULT_NAMESPACE


class Sockets:
    """Every open connection, by the id that `connection_of` gives."""

    def __init__(self, server: socketio.AsyncServer) -> None:
        self._server = server

    def connection_of(self, sid: str, namespace: str = DEFAULT_NAMESPACE) -> str:
        """The connection below a socket of a namespace; two namespaces of one client share it."""
        connection: str = self._server.manager.eio_sid_from_sid(sid, namespace)
        return connection

    def is_open(self, connection: str) -> bool:
        socket = self._server.eio.sockets.get(connection)
        return socket is not None and not (socket.closing or socket.closed)

    def send(self, connections: Iterable[str], event: str, *arguments: object) -> None:
        """One event to each of the connections, encoded once; those that are gone are passed over."""
        message = packet.Packet(packet.EVENT, data=[event, *arguments], namespace=DEFAULT_NAMESPACE).encode()
        frame = engine.Packet(engine.MESSAGE, data=message)
        sockets = self._server.eio.sockets
        for connection in connections:
            socket = sockets.get(connection)
            if socket is not None and not socket.closed:
                socket.queue.put_nowait(frame)

    async def tell(self, sid: str, event: str, data: object, namespace: str) -> None:
        """One event to one socket of a namespace; passed over when it is gone."""
        await self._server.emit(event, data, to=sid, namespace=namespace)

    def kick(self, sid: str, namespace: str = DEFAULT_NAMESPACE) -> None:
        """End a socket for good: the client is told with a DISCONNECT and does not come back by itself."""
        self._server.start_background_task(self._server.disconnect, sid, namespace)

    def all(self) -> list[str]:
        return list(self._server.eio.sockets)

    async def close(self, connection: str) -> None:
        """Close the transport without a word of any protocol above it: the client comes back by itself."""
        socket = self._server.eio.sockets.get(connection)
        if socket is not None:
            await socket.close(wait=False, abort=True)
            socket.queue.put_nowait(None)
