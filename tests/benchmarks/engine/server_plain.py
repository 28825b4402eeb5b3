"""The benchmark's server on the plain library, as its documentation shows it: rooms and emit."""

import asyncio
import sys
from typing import Any

import socketio
import uvloop
from aiohttp import web


async def main() -> None:
    server = socketio.AsyncServer(
        async_mode="aiohttp", ping_interval=float(sys.argv[2]) if len(sys.argv) > 2 else 25, cors_allowed_origins="*"
    )
    rooms: dict[str, set[str]] = {}
    mine: dict[str, list[tuple[str, bool]]] = {}
    dirty: set[str] = set()

    async def update(room: str, t: float = 0) -> None:
        count = len(rooms.get(room, ()))
        details = {"room": room, "viewerCount": count, "t": t}
        await server.emit("viewerCountUpdate", (count, details), room=room)

    async def flush(room: str) -> None:
        await asyncio.sleep(0.1)
        dirty.discard(room)
        await update(room)

    def changed(room: str) -> None:
        if room not in dirty:
            dirty.add(room)
            server.start_background_task(flush, room)

    @server.event
    async def join(sid: str, data: dict[str, Any]) -> dict[str, Any]:
        room = data["room"]
        members = rooms.setdefault(room, set())
        if sid not in members:
            members.add(sid)
            mine.setdefault(sid, []).append((room, data["quiet"]))
            await server.enter_room(sid, room)
            if not data["quiet"]:
                changed(room)
        return {"ok": True, "viewerCount": len(members)}

    @server.event
    async def bump(sid: str, data: dict[str, Any]) -> None:
        await update(data["room"], data["t"])

    @server.event
    async def disconnect(sid: str, reason: str) -> None:
        for room, quiet in mine.pop(sid, ()):
            rooms[room].discard(sid)
            if not rooms[room]:
                del rooms[room]
            elif not quiet:
                changed(room)

    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    print(f"listening {port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
