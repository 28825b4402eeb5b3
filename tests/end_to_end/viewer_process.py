"""A viewer in a process of its own, so that a test can cut it off: joins a room, prints the count, stays."""

import asyncio
import sys

import socketio


async def main(url: str, room: str) -> None:
    client = socketio.AsyncClient(reconnection=False)
    await client.connect(url, transports=["websocket"], wait_timeout=30)
    answer = await client.call("join", {"room": room})
    print(answer["viewerCount"], flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
