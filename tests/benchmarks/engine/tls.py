"""What a socket costs where TLS ends in the process: memory of our server, with sockets that this process opens."""

import asyncio
import os
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import uvloop

from tests.benchmarks.engine.measure import Figures, NotRun, Scale, Server, rss_kib
from tests.benchmarks.engine.peers import Peer

REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
JOIN = b'420["join",{"room":"auction:1","quiet":true}]'


def _masked(text: bytes) -> bytes:
    return bytes((0x81, 0x80 | len(text))) + b"\0\0\0\0" + text


async def _open(port: int, context: ssl.SSLContext) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(REQUEST)
    await reader.readuntil(b"maxPayload")
    writer.write(_masked(b"40") + _masked(JOIN))
    await reader.readuntil(b'"ok":true')
    return writer


async def _measure(server: Server, sockets: int, context: ssl.SSLContext, until: float) -> float:
    async with asyncio.timeout(until - time.monotonic()):
        held = [await _open(server.port, context) for _ in range(50)]
        base = rss_kib(server.pid)
        while len(held) < sockets + 50:
            held += await asyncio.gather(*(_open(server.port, context) for _ in range(50)))
        return (rss_kib(server.pid) - base) / sockets


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a self-signed certificate for 127.0.0.1."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return key, cert


def measure(peer: Peer, scale: Scale, until: float) -> Figures:
    """RSS per idle joined socket with TLS ended in our process, KiB."""
    with tempfile.TemporaryDirectory() as folder:
        key, cert = certificate(Path(folder))
        server = Server([*peer.command, "0", "25", str(cert), str(key)], os.environ | peer.environment, until)
        try:
            context = ssl.create_default_context(cafile=str(cert))
            return {"tls_kib": uvloop.run(_measure(server, scale.tls_sockets, context, until))}
        except TimeoutError:
            raise NotRun("too slow for the time there is") from None
        finally:
            server.close()
