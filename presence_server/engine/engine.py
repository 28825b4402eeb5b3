"""The engine's face: handlers are registered at `server`, events leave through `fanout`, a port is opened by `serve`.

The HTTP application is the caller's; the engine adds its one route and owns the port in front of it.
"""

import asyncio
import functools
import gc
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from aiohttp import web

from presence_server.engine import packets
from presence_server.engine.connections import Door, OpenDoor
from presence_server.engine.fanout import Fanout
from presence_server.engine.front import Front
from presence_server.engine.http_routes import HttpRoutes
from presence_server.engine.server import SocketServer
from presence_server.engine.settings import EngineSettings

_LISTENERS = 4
"""uvloop lets one connection in by turn of the loop and listener; a crowd is in sooner, and cheaper, by several."""


class Engine:
    """A Socket.IO server on a port of its own, with an aiohttp application behind it."""

    def __init__(self, settings: EngineSettings, door: Door | None = None) -> None:
        self.settings = settings
        self.server = SocketServer(settings, OpenDoor() if door is None else door)
        self.fanout = Fanout(self.server.manager)
        self._connections = self.server.connections
        self._runner: web.AppRunner | None = None
        self._listeners: list[asyncio.Server] = []

    def attach(self, app: web.Application) -> None:
        """Add the Socket.IO path to the application; before `serve`."""
        app.router.add_route("*", self.settings.path, HttpRoutes(self._connections).handle)

    async def serve(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        ssl_context: ssl.SSLContext | None = None,
        reuse_port: bool = False,
        runner_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> int:
        """Open the port and return its number (port 0: one that was free). Raises OSError where it cannot be had.

        With `reuse_port` other processes that say so too may listen on it, and the system spreads connections.
        """
        options = {"access_log": None, "keepalive_timeout": self.settings.keepalive_seconds, **runner_options}
        self._runner = web.AppRunner(app, handler_cancellation=True, **options)
        await self._runner.setup()
        http = cast("Callable[[], asyncio.Protocol]", self._runner.server)
        self._connections.start()
        return await self._listen(lambda: Front(self._connections, http), host, port, ssl_context, reuse_port)

    async def _listen(
        self,
        front: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        reuse_port: bool,
    ) -> int:
        listen = functools.partial(asyncio.get_running_loop().create_server, front, ssl=ssl_context, backlog=4096)
        first = await listen(host, port, reuse_port=reuse_port)
        self._listeners.append(first)
        for bound in list(first.sockets) * (_LISTENERS - 1):
            self._listeners.append(await listen(sock=socket.socket(fileno=os.dup(bound.fileno()))))
        return int(first.sockets[0].getsockname()[1])

    def alive(self, sid: str, namespace: str = packets.ROOT) -> bool:
        """Whether the member is connected at this moment: to be asked after every await in a handler."""
        return bool(self.server.manager.is_connected(sid, namespace))

    def connection_of(self, sid: str, namespace: str = packets.ROOT) -> str:
        """The connection below a member; two namespaces of one client share it. Raises KeyError for a stranger."""
        return str(self.server.manager.of(namespace)[sid].socket.sid)

    def is_open(self, connection: str) -> bool:
        return connection in self._connections.sockets

    def connections(self) -> list[str]:
        """Every connection that is open at this moment."""
        return list(self._connections.sockets)

    def disconnect(self, sid: str, namespace: str = packets.ROOT) -> None:
        """Make a client leave a namespace for good: it is told, and does not come back by itself.

        Where that was its last namespace, its connection is closed as well.
        """
        self.server.drop(sid, namespace)

    def expel(self, connection: str) -> None:
        """Make a client leave all its namespaces, and close its connection."""
        socket = self._connections.sockets.get(connection)
        if socket is not None:
            self.server.expel(socket)

    def stop_listening(self) -> None:
        """Nobody new gets in."""
        for listener in self._listeners:
            listener.close()

    async def drain(self, *, sockets_per_second: float = 500.0) -> None:
        """Take no new connections and let go of all there are, in slices; their disconnect handlers run."""
        self.stop_listening()
        await self._connections.drain(sockets_per_second)

    async def close(self) -> None:
        """Everything down, in order: listener, sessions, what is in flight, the HTTP server. Idempotent."""
        await self.drain(sockets_per_second=float("inf"))
        await self._connections.stop()
        if self._runner is not None:
            await self._runner.cleanup()


def quiet_collector() -> None:
    """Take what start-up made out of the cyclic collector's sight, and let it look rarely: sockets make no cycles.

    For the whole process; to be called once, before the port opens, and after any fork.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
