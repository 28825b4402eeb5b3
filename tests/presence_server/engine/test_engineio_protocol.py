"""The engine.io-protocol (version 4), rule by rule: handshake, heartbeat, close, payloads, errors."""

import asyncio

import aiohttp
import orjson
import pytest

from tests.presence_server.engine.support import Raw, moments, ours


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def handshake(http, run):
    async with http.get(run.polling()) as answer:
        return orjson.loads((await answer.text())[1:])["sid"]


async def post(http, run, sid, body):
    async with http.post(run.polling(sid), data=body) as answer:
        return answer.status, await answer.text()


async def poll(http, run, sid):
    async with http.get(run.polling(sid)) as answer:
        return answer.status, await answer.text()


# Handshake


async def test_polling_handshake_announces_the_session(run, http):
    """The open packet has sid, upgrades, times in milliseconds and the payload limit."""
    async with http.get(run.polling()) as answer:
        assert answer.status == 200 and answer.content_type == "text/plain"
        text = await answer.text()
    values = orjson.loads(text[1:])
    assert text[0] == "0" and len(values.pop("sid")) >= 20
    assert values == {"upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 65536}


async def test_websocket_handshake_announces_the_session_without_upgrades(run):
    """A websocket has nothing better to upgrade to."""
    values = await (await Raw.connect(run.port)).opened()
    assert values["upgrades"] == [] and values["pingInterval"] == 25000


async def test_configured_times_are_announced_with_their_fractions():
    """Half a second is 500 milliseconds, on both transports."""
    async with ours(ping_interval_seconds=0.5, ping_timeout_seconds=1.25) as run, aiohttp.ClientSession() as http:
        values = await (await Raw.connect(run.port)).opened()
        assert (values["pingInterval"], values["pingTimeout"]) == (500, 1250)
        async with http.get(run.polling()) as answer:
            values = orjson.loads((await answer.text())[1:])
        assert (values["pingInterval"], values["pingTimeout"]) == (500, 1250)


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "EIO=4&transport=abc", 0),
        ("GET", "EIO=4", 0),
        ("GET", "transport=polling", 5),
        ("GET", "EIO=abc&transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling", 2),
        ("DELETE", "EIO=4&transport=polling", 2),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", "EIO=4&transport=polling&sid=abc", 1),
        ("POST", "EIO=4&transport=polling&sid=abc", 1),
    ],
)
async def test_a_wrong_handshake_has_its_error_code(run, http, method, query, code):
    """Transport, version, method and sid are told apart as the reference server does."""
    async with http.request(method, run.url + run.target(query)) as answer:
        assert answer.status == 400
        assert orjson.loads(await answer.read())["code"] == code
    assert len(run.engine.connections()) == 0


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("EIO=4&transport=abc", 0),
        ("EIO=3&transport=websocket", 5),
        ("transport=websocket", 5),
        ("EIO=4&transport=polling", 3),
        ("EIO=4&transport=websocket&sid=abc", 1),
    ],
)
async def test_a_wrong_websocket_handshake_is_answered_over_http(run, query, code):
    """The upgrade is refused with status and code, and the connection closes."""
    raw = await Raw.connect(run.port, query)
    assert raw.head.startswith(b"HTTP/1.1 400 ")
    assert orjson.loads(await raw.reader.read())["code"] == code


async def test_a_transport_that_is_not_configured_is_unknown():
    """Websocket only means that polling does not exist."""
    async with (
        ours(transports=("websocket",)) as run,
        aiohttp.ClientSession() as http,
        http.get(run.polling()) as answer,
    ):
        assert answer.status == 400 and orjson.loads(await answer.read())["code"] == 0


# Origins


async def test_a_foreign_origin_is_refused_and_a_listed_one_named():
    """On both transports; the answer to a listed one names it, so that browsers let the page read."""
    async with ours(allowed_origins=frozenset({"https://good.example"})) as run, aiohttp.ClientSession() as http:
        async with http.get(run.polling(), headers={"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403 and orjson.loads(await answer.read())["code"] == 4
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with http.get(run.polling(), headers={"Origin": "https://good.example"}) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "https://good.example"
        async with http.options(run.polling(), headers={"Origin": "https://good.example"}) as answer:
            assert answer.status == 204 and "POST" in answer.headers["Access-Control-Allow-Methods"]
        raw = await Raw.connect(run.port, more="Origin: https://evil.example\r\n")
        assert raw.head.startswith(b"HTTP/1.1 403 ")
        raw = await Raw.connect(run.port, more="Origin: https://good.example\r\n")
        assert raw.head.startswith(b"HTTP/1.1 101 ")


# Polling


async def test_several_packets_travel_in_one_payload(run, http):
    """Separated both ways, handled in order."""
    sid = await handshake(http, run)
    assert await post(http, run, sid, '40\x1e421["echo",1]\x1e422["echo",2]') == (200, "ok")
    status, text = await poll(http, run, sid)
    connected, first, second = text.split("\x1e")
    assert status == 200 and connected.startswith("40{") and (first, second) == ("431[1]", "432[2]")


async def test_more_than_sixteen_packets_in_one_payload_all_arrive(run, http):
    """There is a limit on bytes, none on packets."""
    sid = await handshake(http, run)
    body = "\x1e".join(["40", *(f'42{i}["echo",{i}]' for i in range(50))])
    assert await post(http, run, sid, body) == (200, "ok")
    assert (await poll(http, run, sid))[1].split("\x1e")[1:] == [f"43{i}[{i}]" for i in range(50)]


async def test_binary_travels_as_base64(run, http):
    """An attachment in and one out."""
    sid = await handshake(http, run)
    await post(http, run, sid, '40\x1e451-7["echo",{"_placeholder":true,"num":0}]\x1ebAQID')
    answer = (await poll(http, run, sid))[1].split("\x1e")
    assert answer[1:] == ['461-7[{"_placeholder":true,"num":0}]', "bAQID"]


async def test_a_payload_arrives_in_any_segmentation_and_chunked(run, http):
    """Content-Length in single bytes, and Transfer-Encoding chunked."""
    sid = await handshake(http, run)
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    body = b'40\x1e421["echo","' + b"x" * 50 + b'"]'
    target = run.target(f"EIO=4&transport=polling&sid={sid}")
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body))
    for i in range(len(body)):
        writer.write(body[i : i + 1])
        await writer.drain()
        await asyncio.sleep(0)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(2) == b"ok"
    writer.write(
        head.encode()
        + b'Transfer-Encoding: chunked\r\n\r\n4\r\n422[\r\n8\r\n"echo"]\x1e\r\n3\r\n3[]\r\n0\r\n\r\n'.replace(
            b'8\r\n"echo"]\x1e', b'7\r\n"echo"]'
        ).replace(b"3\r\n3[]\r\n", b"")
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert (await poll(http, run, sid))[1].split("\x1e")[1:] == [f'431["{"x" * 50}"]', "432[]"]
    writer.close()


@pytest.mark.parametrize("body", ["abc", "", "4\x1e", "2", "5", "40\x1e40", "4true", "bAQ=", "b###", '42["a"]'])
async def test_an_invalid_packet_closes_the_session(run, http, body):
    """The post is refused and the session is gone."""
    sid = await handshake(http, run)
    assert (await post(http, run, sid, body))[0] == 400
    assert (await poll(http, run, sid))[0] == 400
    assert len(run.engine.connections()) == 0


async def test_a_payload_over_the_limit_closes_the_session(run, http):
    """Announced or not."""
    for stream in (False, True):
        sid = await handshake(http, run)

        async def chunks():
            for _ in range(70):
                yield b"4" * 1000

        async with http.post(run.polling(sid), data=chunks() if stream else b"4" * 70_000) as answer:
            assert answer.status == 413
        assert len(run.engine.connections()) == 0


async def test_a_second_poll_closes_the_session(run, http):
    """The first is told CLOSE, the second that it was wrong."""
    sid = await handshake(http, run)
    first = asyncio.create_task(poll(http, run, sid))
    await moments(0.05)
    assert (await poll(http, run, sid))[0] == 400
    assert await first == (200, "1")
    assert (await poll(http, run, sid))[0] == 400


async def test_a_second_post_at_the_same_time_closes_the_session(run, http):
    """One body at a time."""
    sid = await handshake(http, run)
    _, writer = await asyncio.open_connection("127.0.0.1", run.port)
    target = run.target(f"EIO=4&transport=polling&sid={sid}")
    writer.write(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n40".encode())
    await moments(0.05)
    assert (await post(http, run, sid, "3"))[0] == 400
    assert len(run.engine.connections()) == 0
    writer.close()


async def test_a_cancelled_poll_ends_the_session_at_once(run, http):
    """A client that hangs up on its poll is gone, without waiting for a ping."""
    sid = await handshake(http, run)
    await post(http, run, sid, "40")
    await poll(http, run, sid)
    _, writer = await asyncio.open_connection("127.0.0.1", run.port)
    writer.write(f"GET {run.target(f'EIO=4&transport=polling&sid={sid}')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await moments(0.05)
    writer.close()
    await run.log.seen("disconnect")
    assert len(run.engine.connections()) == 0


async def test_a_close_packet_ends_the_session_and_lets_the_poll_go(run, http):
    """The waiting poll gets a NOOP."""
    sid = await handshake(http, run)
    await post(http, run, sid, "40")
    await poll(http, run, sid)
    waiting = asyncio.create_task(poll(http, run, sid))
    await moments(0.05)
    assert await post(http, run, sid, "1") == (200, "ok")
    assert await waiting == (200, "6")
    assert run.log[-1][2] == "client disconnect"
    assert (await poll(http, run, sid))[0] == 400


# Websocket


@pytest.mark.parametrize("packet", ["abc", "", "0", "2", "2probe", "5", "6", "7", "3probe", b"\x01", "4", "4true"])
async def test_an_invalid_packet_closes_the_websocket_at_once(run, packet):
    """While the client would still answer pings."""
    raw = await Raw.connect(run.port)
    await raw.joined()
    raw.send(packet)
    assert await raw.until_closed(1) == [("close", 1008)]
    await run.log.seen("disconnect")
    assert len(run.engine.connections()) == 0


async def test_a_close_packet_closes_the_websocket(run):
    """The session ends as the client asked."""
    raw = await Raw.connect(run.port)
    await raw.joined()
    raw.send("1")
    assert await raw.receive() == ("close", 1000)
    await run.log.seen("disconnect")
    assert run.log[-1][2] == "client disconnect"


async def test_the_closing_handshake_is_answered_with_the_clients_code(run):
    """A CLOSE comes back, then the connection goes."""
    raw = await Raw.connect(run.port)
    await raw.joined()
    raw.frame(8, (4000).to_bytes(2, "big") + b"bye")
    assert await raw.until_closed() == [("close", 4000)]
    await run.log.seen("disconnect")
    assert run.log[-1][2] == "transport close"


async def test_a_websocket_ping_is_answered(run):
    """RFC 6455 pings are not Engine.IO pings."""
    raw = await Raw.connect(run.port)
    await raw.opened()
    raw.frame(9, b"there?")
    assert await raw.receive() == ("pong", b"there?")


async def test_a_frame_error_closes_with_its_code(run):
    """The code of RFC 6455; the handlers hear of an error."""
    raw = await Raw.connect(run.port)
    await raw.joined()
    raw.write(b"\x81\x01a")
    assert await raw.until_closed() == [("close", 1002)]
    await run.log.seen("disconnect")
    assert run.log[-1][2] == "transport error"


async def test_a_message_over_the_limit_closes_with_too_big(run):
    """Before it was read."""
    raw = await Raw.connect(run.port)
    await raw.joined()
    raw.send("4" * 65_537)
    assert await raw.until_closed() == [("close", 1009)]


async def test_a_reset_ends_the_session_at_once(run):
    """No ping is needed to notice."""
    raw = await Raw.connect(run.port)
    await raw.joined()
    raw.reset()
    await run.log.seen("disconnect")
    assert len(run.engine.connections()) == 0
