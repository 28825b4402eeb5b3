"""One port for everything: websockets, HTTP, TLS, pooled connections, and what is neither."""

import asyncio
import contextlib
import socket
import ssl
import subprocess

import aiohttp
import orjson
import pytest

from tests.presence_server.engine.support import UPGRADE, Raw, moments, ours

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=folder / "cert.pem")


async def test_http_and_websocket_share_a_port(run):
    """A plain request goes to the application with its body, byte by byte if need be, and keep-alive holds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    request = b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nworld"
    for _ in range(2):
        for i in range(len(request)):
            writer.write(request[i : i + 1])
            await asyncio.sleep(0)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(11) == b"hello world"
    writer.close()


async def test_several_are_let_in_by_one_turn_of_the_loop(run):
    """A crowd does not queue for a turn each."""
    heads, crowd, most = run.server.connections.heads, [socket.socket() for _ in range(16)], 0
    for one in crowd:
        one.connect(("127.0.0.1", run.port))
    async with asyncio.timeout(30):
        while len(heads) < len(crowd):
            before = len(heads)
            await asyncio.sleep(0)
            most = max(most, len(heads) - before)
    assert most >= 4
    for one in crowd:
        one.close()


async def test_a_port_that_is_closed_lets_nobody_in(run):
    """However many listen on it."""
    run.engine.stop_listening()
    await moments(0.01)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", run.port)


async def test_an_upgrade_may_arrive_byte_by_byte_with_frames_behind_it(run):
    """However the head and the first frames are cut."""
    for size in (1, 7, 10_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
        raw = Raw(reader, writer)
        head = UPGRADE.format(target=run.target("EIO=4&transport=websocket"), key=KEY, more="").encode()
        sent = head + b"\x81\x82\0\0\0\x0040" + b'\x81\x8e\0\0\0\x00421["echo",12]'
        for i in range(0, len(sent), size):
            writer.write(sent[i : i + size])
            await asyncio.sleep(0)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        await raw.opened()
        assert (await raw.receive()).startswith("40{") and await raw.receive() == "431[12]"
        await raw.close()


@pytest.mark.parametrize("way", ["whole", "bytes"])
async def test_an_upgrade_on_a_connection_that_carried_requests_is_taken_over(run, way):
    """A proxy's pooled connection: HTTP first, then the upgrade with frames right behind it; nothing is left over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    raw = Raw(reader, writer)
    for _ in range(2):
        writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(6) == b"hello "
    head = UPGRADE.format(target=run.target("EIO=4&transport=websocket"), key=KEY, more="").encode()
    sent = head + b"\x81\x82\0\0\0\x0040" + b'\x81\x8e\0\0\0\x00421["echo",12]'
    for i in range(0, len(sent), 1 if way == "bytes" else len(sent)):
        writer.write(sent[i : i + 1] if way == "bytes" else sent)
        await asyncio.sleep(0)
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in await reader.readuntil(b"\r\n\r\n")
    await raw.opened()
    assert (await raw.receive()).startswith("40{") and await raw.receive() == "431[12]"
    await moments(0.01)
    assert run.engine._runner.server.connections == [], "aiohttp has let go of the connection"
    raw.send('422["echo",2]')
    assert await raw.receive() == "432[2]"
    raw.reset()
    await run.log.seen("disconnect")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HTTP/1.1", "HTTP/1.0"),
        ("Host: 127.0.0.1\r\n", "Host: a\r\nHost: b\r\n"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        (f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Key: short"),
        (f"Sec-WebSocket-Key: {KEY}", f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Key: {KEY}"),
        ("Connection: Upgrade\r\n", ""),
        ("Host: 127.0.0.1", "Host : 127.0.0.1"),
        ("Host: 127.0.0.1\r\n", "Host: 127.0.0.1\r\n folded\r\n"),
        ("Host: 127.0.0.1\r\n", "Host: 127.0.0.1\n"),
        ("GET ", "POST "),
        ("Host: 127.0.0.1\r\n", "Host: 127.0.0.1\r\nContent-Length: 5\r\n"),
        ("Host: 127.0.0.1\r\n", "Host: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"),
    ],
)
async def test_a_doubtful_upgrade_is_no_websocket(run, old, new):
    """It is answered by the HTTP server, with an error, within a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    head = UPGRADE.format(target=run.target("EIO=4&transport=websocket"), key=KEY, more="")
    assert old in head
    writer.write(head.replace(old, new).encode())
    async with asyncio.timeout(30):
        assert (await reader.readline())[9:10] == b"4"
    writer.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00",
        b"\r\nGET\r\n\r\n",
        b"GET /\r\n",
        b"GET / FTP/1.0\r\n",
        b"GET / HTTP/2.0\r\nHost: x",
        b"GET / HTTP/1.1\nHost: x",
        b"GET\0 / HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_answered_or_closed_at_once(run, garbage):
    """No deadline is needed to see that it will never be a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    writer.write(garbage)
    async with asyncio.timeout(30):
        answer = await reader.read()
    assert answer == b"" or b" 400 " in answer.splitlines()[0]
    writer.close()


async def test_an_endless_head_is_refused(run):
    """16 KiB are enough for any head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    writer.write(b"GET / HTTP/1.1\r\n" + b"X-Filler: " + b"a" * 20_000)
    async with asyncio.timeout(30):
        assert b" 431 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("sent", ["", "GET / HTTP/1.1\r\nHost:", "GET", "\r\n", "\r\n\r\n", "\r\nGET / HTTP/1.1\r\n"])
async def test_a_head_that_never_ends_is_cut_off(sent):
    """Whoever trickles, sends nothing but blank lines, or says nothing at all, is gone after the deadline."""
    async with ours(head_seconds=0.2) as run:
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
        for byte in sent:
            writer.write(byte.encode())
            await asyncio.sleep(0.001)
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""


async def test_blank_lines_before_a_request_are_passed_over(run):
    """Some clients end a body with one too many (RFC 9112 section 2.2); they get a page, or a websocket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    writer.write(b"\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
    raw = Raw(*await asyncio.open_connection("127.0.0.1", run.port))
    raw.write(b"\r\n" + UPGRADE.format(target=run.target("EIO=4&transport=websocket"), key=KEY, more="").encode())
    assert (await raw.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    await raw.joined()
    await raw.close()


async def test_a_body_that_never_ends_closes_the_session():
    """A post has its time."""
    async with ours(body_seconds=0.2) as run, aiohttp.ClientSession() as http:
        async with http.get(run.polling()) as answer:
            sid = orjson.loads((await answer.text())[1:])["sid"]
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
        target = run.target(f"EIO=4&transport=polling&sid={sid}")
        writer.write(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n40".encode())
        async with asyncio.timeout(30):
            assert b" 400 " in await reader.readline()
        assert len(run.engine.connections()) == 0
        writer.close()


async def test_tls_works_on_the_port_for_all_of_it(certificate):
    """Websocket, polling, HTTP and the take-over of a pooled connection."""
    server, client = certificate
    async with ours(ssl_context=server) as run:
        raw = await Raw.connect(run.port, ssl=client)
        await raw.joined()
        raw.send('421["echo","' + "x" * 60_000 + '"]')
        assert len(await raw.receive()) == 60_007
        raw.reset()
        await run.log.seen("disconnect")
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client)) as http,
            http.get(run.polling().replace("http:", "https:")) as answer,
        ):
            assert (await answer.text()).startswith("0{")
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port, ssl=client)
        pooled = Raw(reader, writer)
        writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"hello ")
        writer.write(UPGRADE.format(target=run.target("EIO=4&transport=websocket"), key=KEY, more="").encode())
        await reader.readuntil(b"\r\n\r\n")
        await pooled.joined()
        pooled.send('421["echo",1]')
        assert await pooled.receive() == "431[1]"
        writer.close()
