"""A page in Python, in a process of its own: URL TRANSPORTS; says what happens, obeys one word a line."""

import asyncio
import json
import sys

import socketio


def say(*words: object) -> None:
    print(json.dumps(words), flush=True)


async def main(url: str, transports: str) -> None:
    client = socketio.AsyncClient(reconnection=False)
    await client.connect(url, transports=transports.split(","), wait_timeout=30)
    say("transport", client.transport())
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while word := (await lines.readline()).decode().strip():
        if word == "close":
            await client.disconnect()
        else:
            say(word, await client.call(word, {"room": "auction:demo"}, timeout=30))


asyncio.run(main(*sys.argv[1:]))
