"""A TCP proxy between a client and the server that a test can reset, or let go silent without closing anything."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: a close sends RST, what is unsent is dropped."""


class Wire:
    """Every connection through it, both halves; `url` is where clients connect."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.url = ""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(65_536):
                await self._open.wait()
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            await self._open.wait()
            self._writers.discard(writer)
            writer.close()

    def reset(self) -> None:
        """Both ends see a connection reset."""
        for writer in list(self._writers):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def go_silent(self) -> None:
        """Nothing passes any more, and nobody is told: not even an end."""
        self._open.clear()

    def close(self) -> None:
        self._open.set()
        self.reset()


@asynccontextmanager
async def wired(server_url: str):
    """A wire to the server at this URL."""
    wire = Wire(urlsplit(server_url).port)
    listener = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        listener.close()
        wire.close()
