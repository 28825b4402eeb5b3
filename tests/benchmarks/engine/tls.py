"""What a socket costs where TLS ends in the process: RSS of our server, with sockets opened by a process of its own.

python -m tests.benchmarks.engine.tls [SOCKETS]
"""

import asyncio
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.benchmarks.engine.measure import Run

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


async def _measure(port: int, run: Run, sockets: int, context: ssl.SSLContext) -> float:
    held = [await _open(port, context) for _ in range(50)]
    base = run.rss_kib()
    while len(held) < sockets + 50:
        held += await asyncio.gather(*(_open(port, context) for _ in range(50)))
    return (run.rss_kib() - base) / sockets


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a self-signed certificate for 127.0.0.1."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return key, cert


def rss_per_socket_kib(sockets: int = 1_000) -> float:
    """RSS per idle joined socket with TLS, KiB."""
    with tempfile.TemporaryDirectory() as folder:
        key, cert = certificate(Path(folder))
        server = Path(__file__).parent / "server_ours.py"
        command = [sys.executable, str(server), "0", "25", str(cert), str(key)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[1])
            context = ssl.create_default_context(cafile=str(cert))
            return uvloop.run(_measure(port, Run(process, process), sockets, context))
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    print(f"{rss_per_socket_kib(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000):.1f} KiB per socket with TLS")
