"""The benchmark's server on our engine: rooms as sets, joins acked, updates at most ten a second and room."""

import asyncio
import ssl
import sys
from collections.abc import Callable
from typing import Any

import uvloop
from aiohttp import web

from presence_server.engine import Engine, EngineSettings, quiet_collector

Send = Callable[[set[str], str, int, dict[str, Any]], None]


class Rooms:
    """Who is in which room, and the coalesced updates of those who watch."""

    def __init__(self, send: Send, connection_of: Callable[[str], str]) -> None:
        self._send = send
        self._connection_of = connection_of
        self._members: dict[str, set[str]] = {}
        self._rooms: dict[str, list[tuple[str, bool]]] = {}
        self._dirty: set[str] = set()
        self._loop = asyncio.get_running_loop()

    def update(self, room: str, t: float = 0) -> None:
        members = self._members.get(room, set())
        count = len(members)
        self._send(members, room, count, {"room": room, "viewerCount": count, "t": t})

    def join(self, sid: str, data: dict[str, Any]) -> dict[str, Any]:
        room, connection = data["room"], self._connection_of(sid)
        members = self._members.setdefault(room, set())
        if connection not in members:
            members.add(connection)
            self._rooms.setdefault(sid, []).append((room, data["quiet"]))
            if not data["quiet"]:
                self._changed(room)
        return {"ok": True, "viewerCount": len(members)}

    def bump(self, sid: str, data: dict[str, Any]) -> None:
        self.update(data["room"], data["t"])

    def leave_all(self, sid: str, reason: str) -> None:
        for room, quiet in self._rooms.pop(sid, ()):
            members = self._members[room]
            members.discard(self._connection_of(sid))
            if not members:
                del self._members[room]
            elif not quiet:
                self._changed(room)

    def _changed(self, room: str) -> None:
        if room not in self._dirty:
            self._dirty.add(room)
            self._loop.call_later(0.1, self._flush, room)

    def _flush(self, room: str) -> None:
        self._dirty.discard(room)
        self.update(room)


def _tls(files: list[str]) -> ssl.SSLContext | None:
    if not files:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    return context


async def main() -> None:
    engine = Engine(EngineSettings(ping_interval_seconds=float(sys.argv[2]) if len(sys.argv) > 2 else 25))

    def send(members: set[str], room: str, count: int, details: dict[str, Any]) -> None:
        engine.fanout.send(members, "viewerCountUpdate", count, details, topic=room)

    rooms = Rooms(send, engine.connection_of)
    engine.server.on("join", rooms.join)
    engine.server.on("bump", rooms.bump)
    engine.server.on("disconnect", rooms.leave_all)
    app = web.Application()
    engine.attach(app)
    quiet_collector()
    port = await engine.serve(app, "127.0.0.1", int(sys.argv[1]), ssl_context=_tls(sys.argv[3:]))
    print(f"listening {port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
