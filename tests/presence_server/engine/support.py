"""Servers and raw clients for the engine's tests: ours and the plain library, behind the same few handlers."""

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator

import orjson
import socketio
from aiohttp import web

from presence_server.engine import Engine, EngineSettings, frames

UPGRADE = (
    "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{more}\r\n"
)


async def moments(seconds):
    """So long, and at least twenty rounds of the loop: on a machine that stalls, what is under way gets as far."""
    for _ in range(20):
        await asyncio.sleep(seconds / 20)


class Log(list):
    """What the handlers were called with, in order; wait for an entry with `seen`."""

    async def seen(self, *entry, seconds=30.0):
        async with asyncio.timeout(seconds):
            while not any(tuple(e[: len(entry)]) == entry for e in self):
                await asyncio.sleep(0.005)

    def of(self, name):
        return [entry for entry in self if entry[0] == name]


def register(server, log):
    """The handlers that every test server has; `log` hears of each call."""

    def connect(sid, environ, auth=None):
        log.append(("connect", sid, auth))
        if auth == {"refuse": True}:
            raise socketio.exceptions.ConnectionRefusedError("no", {"why": "because"})
        return auth != {"refuse": False}

    def disconnect(sid, reason):
        log.append(("disconnect", sid, reason))

    def echo(sid, *data):
        log.append(("echo", sid, *data))
        return data

    async def slow(sid, seconds):
        log.append(("slow", sid))
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            log.append(("slow cancelled", sid))
            raise
        log.append(("slow done", sid))
        return "done"

    for namespace in ("/", "/admin"):
        server.on("connect", connect, namespace=namespace)
        server.on("disconnect", disconnect, namespace=namespace)
        server.on("echo", echo, namespace=namespace)
        server.on("slow", slow, namespace=namespace)


class Running:
    """A server on a port: `port`, `log` of its handlers, `server` (socketio), `engine` (ours only)."""

    def __init__(self, port, log, server, engine=None):
        self.port, self.log, self.server, self.engine = port, log, server, engine
        # What the library never sends is not waited for long; ours may be slow on a busy machine.
        self.patience_seconds = 0.5 if engine is None else 10
        self.url = f"http://127.0.0.1:{port}"

    def tell(self, sids, event, *data, namespace="/", **options):
        """Fan an event out to members by their Socket.IO sids."""
        members = self.server.manager.of(namespace)
        connections = {members[sid].socket.sid: None for sid in sids if sid in members}
        self.engine.fanout.send(connections.keys(), event, *data, namespace=namespace, **options)

    def target(self, query):
        return f"/socket.io/?{query}"

    def polling(self, sid=None):
        return f"{self.url}/socket.io/?EIO=4&transport=polling" + (f"&sid={sid}" if sid else "")


async def hello(request):
    return web.Response(text="hello " + (await request.text()))


@contextlib.asynccontextmanager
async def ours(ssl_context=None, door=None, **settings) -> AsyncIterator[Running]:
    settings.setdefault("close_seconds", 0.3)
    engine, log, app = Engine(EngineSettings(**settings), door), Log(), web.Application()
    register(engine.server, log)
    app.router.add_route("*", "/hello", hello)
    engine.attach(app)
    options = {"shutdown_timeout": 0.1}
    port = await engine.serve(app, "127.0.0.1", 0, ssl_context=ssl_context, runner_options=options)
    try:
        yield Running(port, log, engine.server, engine)
    finally:
        await engine.close()


@contextlib.asynccontextmanager
async def plain(**settings) -> AsyncIterator[Running]:
    """The library as documented, with the corresponding options."""
    server = socketio.AsyncServer(
        async_mode="aiohttp",
        async_handlers=False,
        cors_allowed_origins="*",
        ping_interval=settings.get("ping_interval_seconds", 25),
        ping_timeout=settings.get("ping_timeout_seconds", 20),
        max_http_buffer_size=settings.get("max_payload_bytes", 65536),
    )
    log, app = Log(), web.Application()
    register(server, log)
    app.router.add_route("*", "/hello", hello)
    server.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Running(site._server.sockets[0].getsockname()[1], log, server)
    finally:
        for socket in list(server.eio.sockets.values()):
            with contextlib.suppress(Exception):
                await socket.close(wait=False, abort=True)
        with contextlib.suppress(Exception):
            await server.shutdown()
        await runner.cleanup()


class Raw:
    """A websocket client that says exactly what it is told to."""

    def __init__(self, reader, writer):
        self.reader, self.writer, self.head = reader, writer, b""

    @classmethod
    async def connect(cls, port, query="EIO=4&transport=websocket", *, ssl=None, more=""):
        """Connect and upgrade; `head` is the answer's head."""
        raw = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=ssl))
        key = base64.b64encode(os.urandom(16)).decode()
        raw.writer.write(UPGRADE.format(target=f"/socket.io/?{query}", key=key, more=more).encode())
        raw.head = await raw.reader.readuntil(b"\r\n\r\n")
        return raw

    def write(self, data):
        self.writer.write(data)

    def frame(self, opcode, payload):
        mask = b"\x11\x22\x33\x44"
        sent = bytearray(frames.frame(opcode, payload))
        head = len(sent) - len(payload)
        sent[1] |= 0x80
        self.write(bytes(sent[:head]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def send(self, text):
        if isinstance(text, bytes):
            self.frame(frames.BINARY, text)
        else:
            self.frame(frames.TEXT, text.encode())

    async def receive(self, seconds=30.0):
        """The next message: str, bytes, ("close", code), or None when the connection is gone."""
        try:
            async with asyncio.timeout(seconds):
                first, length = await self.reader.readexactly(2)
                if length >= 126:
                    length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
                payload = await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        if first & 15 == frames.CLOSE:
            return ("close", frames.closing_code(payload))
        if first & 15 == frames.PONG:
            return ("pong", payload)
        return payload.decode() if first & 15 == frames.TEXT else payload

    async def until_closed(self, seconds=30.0):
        """Everything that still comes until the connection is gone."""
        found = []
        async with asyncio.timeout(seconds):
            while (message := await self.receive(seconds)) is not None:
                found.append(message)
        return found

    async def opened(self):
        """The values of the handshake."""
        return orjson.loads((await self.receive())[1:])

    async def joined(self, namespace="/"):
        """Handshake and CONNECT; the Socket.IO sid."""
        await self.opened()
        return await self.join(namespace)

    async def join(self, namespace="/"):
        self.send("40" if namespace == "/" else f"40{namespace},")
        answer = await self.receive()
        return orjson.loads(answer[answer.index("{") :])["sid"]

    def reset(self):
        """Cut the connection without a word."""
        self.writer.transport.abort()

    async def close(self):
        self.writer.close()
        with contextlib.suppress(Exception):
            await self.writer.wait_closed()
