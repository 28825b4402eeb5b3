"""What strangers send to the port: a clear refusal or a close, bounded work, and nothing for anybody else to notice."""

import asyncio
import gzip
import zlib

import pytest

from backend_api.contract.wire import Wire
from backend_api.service import bodies
from backend_api.service.access import Caller, anyone, unchecked
from backend_api.service.routes import RouteTable


class Id(Wire):
    id: str


class Text(Wire):
    text: str = ""


class Anything(Wire):
    value: object = None
    children: "list[Anything]" = []  # noqa: RUF012


@pytest.fixture
async def client(serve):
    table = RouteTable("things")

    @table.get("/things/{id}", allow=(anyone,), summary="Read")
    async def read(*, path: Id, query: Text, caller: Caller) -> str:
        return path.id + query.text

    @table.post("/things", allow=(anyone,), summary="Write", max_body_bytes=2_000_000)
    async def write(*, body: Anything) -> str:
        return "taken"

    @table.post("/raw", allow=(unchecked,), summary="Raw", max_body_bytes=1_000)
    async def raw(*, body: bytes) -> int:
        return len(body)

    client = await serve(table)
    yield client
    async with client.get("/things/healthy") as answer:
        assert answer.status == 200


@pytest.fixture
def send(client):
    """Sends bytes as they are; the status of the answer (None for a mere close) and everything that came back."""

    async def talk(request, *, then_close=False):
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(request)
        if then_close:
            writer.write_eof()
        try:
            async with asyncio.timeout(30):
                received = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None, b""
        length = next(
            (int(line[15:]) for line in received.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        received += await reader.readexactly(length)
        writer.close()
        return int(received.split(b" ", 2)[1]), received

    return talk


def get(target, *headers):
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: a", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(body, *headers, path=b"/things"):
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: a", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "target",
    [
        b"/things/%00", b"/things/a%0d%0ab", b"/things/%ff", b"/things/%c3%28", b"/things/%ed%a0%80", b"/things/%zz",
        b"/things/%", b"/things/%1", b"/things/a?text=%00", b"/things/a?text=%ff", b"/things/a?text=%", b"/things/\xff",
        b"/things/a?%00=1", b"/things/a?text=\xff", b"/things/a?" + b"&".join(b"x%d=1" % n for n in range(60)),
    ],
)  # fmt: skip
async def test_a_target_that_is_no_text_is_a_400(send, target):
    """NUL, control characters, broken escapes, bytes that are not UTF-8, hundreds of fields."""
    status, answer = await send(get(target))
    assert status == 400
    assert b"Traceback" not in answer


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/things/%2e%2e%2fetc", 200), (b"//things/a", 404), (b"/things/..", 200), (b"*", 400),
        (b"/" + b"a/" * 2_000, 404),
        (b"http://elsewhere.example/things/a", 200), (b"/things/%F0%9F%98%80", 200), (b"/things/" + b"a" * 9_000, 400),
    ],
)  # fmt: skip
async def test_a_strange_target_is_no_more_than_a_name(send, target, status):
    """Dots, doubled slashes, absolute form, emoji, length."""
    assert (await send(get(target)))[0] == status


DEEP = {
    "arrays": b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects": b'{"value": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "models": b'{"children": [' * 50_000 + b"]}" * 50_000,
    "unclosed": b"[" * 500_000,
}


@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
async def test_a_deeply_nested_body_is_malformed(send, body):
    """A 400 within the parser's own bounds; no stack runs over."""
    status, answer = await send(post(body))
    assert status == 400
    assert b"Traceback" not in answer


async def test_a_body_nested_as_deep_as_the_parser_goes_is_read(send):
    """Models that hold themselves are validated that far down."""
    depth = 60
    assert (await send(post(b'{"children": [' * depth + b"{}" + b"]}" * depth)))[0] == 200


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b'{"value": "\xff"}', b'{"value": "\\ud800"}', b'{"value": "\x00"}', b"\x00"]
)
async def test_a_body_that_is_no_text_is_malformed(send, body):
    """Bytes that are not UTF-8, halves of characters, raw control characters."""
    assert (await send(post(body)))[0] == 400


BOMB = zlib.compress(b"0" * 50_000_000)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(b"{}", mtime=0)), (b"deflate", BOMB), (b"br", b"x"), (b"identity, gzip", b"x"),
        (b"nonsense", b"{}"),
        (b"", b"{}"),
    ],
)  # fmt: skip
async def test_a_compressed_body_is_not_taken_and_not_inflated(send, coding, body):
    """415 whatever the coding; a bomb stays as small as it came."""
    assert (await send(post(body, b"Content-Encoding: " + coding)))[0] == 415


async def test_a_raw_route_gets_a_bomb_as_it_came(send):
    """Inflating is the handler's own affair."""
    small = zlib.compress(b"0" * 100_000)
    status, answer = await send(post(small, b"Content-Encoding: deflate", path=b"/raw"))
    assert status == 200
    assert b'"data":%d' % len(small) in answer
    assert (await send(post(BOMB, b"Content-Encoding: deflate", path=b"/raw")))[0] == 413


async def test_a_body_announced_too_large_is_refused_before_it_is_sent(send):
    """The announcement is enough."""
    head = b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    assert (await send(head))[0] == 413


CLAIM = b"X-Internal-Key-Id: full\r\nX-Internal-Id: r-1\r\n"


@pytest.mark.parametrize(
    "header",
    [
        b"X-Internal-Signature: v1=0", b"X-Internal-Request: x", b"Authorization: Bearer x",
        CLAIM + b"X-Internal-Timestamp: 1795257000\r\nX-Internal-Signature: v1=0",
        CLAIM + b"X-Internal-Timestamp: 1795256699\r\nX-Internal-Signature: v1=" + b"0" * 64,
    ],
)  # fmt: skip
async def test_a_stranger_is_refused_before_the_body_is_read(send, header):
    """The answer does not wait for the rest."""
    head = [b"POST /things HTTP/1.1", b"Host: a", b"Content-Type: application/json", b"Content-Length: 100", header]
    assert (await send(b"\r\n".join(head) + b"\r\n\r\n{"))[0] == 401


async def test_a_body_that_breaks_off_writes_nothing(send):
    """The peer closed in the middle of it."""
    head = b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    assert (await send(head, then_close=True))[0] in {None, 400}


async def test_a_body_that_dawdles_is_given_up(send, monkeypatch):
    """A slow sender holds its own connection for a while and nothing else."""
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_SECONDS", 0.05)
    head = b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    status, answer = await send(head)
    assert status == 400
    assert b"in time" in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"NONSENSE\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /things/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /things/a HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET /things/a HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /things/a HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: x\r\n" % n for n in range(500)) + b"\r\n",
        b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}",
        b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}",
        b"POST /things HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n{}",
    ],
)  # fmt: skip
async def test_malformed_http_is_a_400_or_a_close(send, request_bytes):
    """At every level of the protocol; no request is smuggled behind another."""
    status, answer = await send(request_bytes)
    assert status in {None, 400}
    assert b"Traceback" not in answer


@pytest.mark.parametrize(
    "header",
    [
        b"Authorization: Bearer \xff\xfe\xfd", b"X-Internal-Request: \xff\xfe", b"X-Internal-Signature: v1=\xff",
        b"Authorization: Bearer " + b"a." * 3_000, b"X-Internal-Key-Id: \xff\r\nX-Internal-Signature: v1=00",
    ],
)  # fmt: skip
async def test_a_credential_in_bytes_that_are_no_text_is_a_401(send, header):
    """Never a 500: comparisons are made on bytes."""
    assert (await send(get(b"/things/a", header)))[0] == 401


@pytest.mark.parametrize("host", [b"a b", b"[", b"\xff", b"a@b", b"a/b", b"a:b", b"a<script>", b"a:999999"])
async def test_a_host_that_is_none_is_a_400(send, host):
    """Pages say their own address by it."""
    assert (await send(b"GET /things/a HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"))[0] == 400


@pytest.mark.parametrize(
    "header", [b"Origin: \xff", b"X-Request-Id: \xff", b"X-Forwarded-For: \xff", b"Cookie: \xff=\xff"]
)
async def test_other_headers_in_bytes_that_are_no_text_do_no_harm(send, header):
    """Some are refused, none is an error of ours."""
    assert (await send(get(b"/things/a", header)))[0] in {200, 403}


@pytest.mark.parametrize("target", [b"/things/1", b"/nowhere"])
async def test_an_expectation_that_nobody_knows_is_a_417(send, target, caplog):
    """Answered with a request id, and nothing unforeseen happens."""
    status, answer = await send(get(target, b"Expect: foo", b"X-Request-Id: r-1"))
    assert status == 417
    assert b"X-Request-Id: r-1" in answer
    assert (b"application/problem+json" in answer) is (target != b"/nowhere")
    assert caplog.records == []


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on(send):
    """However it is written."""
    for expectation in (b"100-continue", b"100-Continue"):
        assert (await send(post(b"{}", b"Expect: " + expectation)))[0] == 100
