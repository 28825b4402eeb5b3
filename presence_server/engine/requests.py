"""What the engine reads of an HTTP request: the head of an unambiguous websocket upgrade, the query, the facts kept.

Pure. A head that is not beyond doubt an upgrade for the Socket.IO path is nobody's business here: `read_upgrade` gives
None and the bytes go to the HTTP server as they came.
"""

import binascii
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

_ONCE = frozenset(
    ("host", "upgrade", "origin", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"),
)
_DOUBTFUL = frozenset(("", "content-length", "transfer-encoding", "expect"))
_OWN = frozenset(("sec-websocket-key", "cookie", "authorization", "x-forwarded-for"))
_SHORT, _MANY = 256, 4096
_strings: dict[str, str] = {}
_lines: dict[str, tuple[str, str]] = {}


class Facts(NamedTuple):
    """What a connect handler may want to know of the request that opened a session."""

    query: str
    scheme: str
    address: str
    host: str
    origin: str
    user_agent: str
    forwarded_for: str
    kept: tuple[str, ...] = ()
    """The values of the headers that the settings name, empty where one is missing."""

    def environ(self) -> dict[str, Any]:
        """The WSGI-like form that Socket.IO handlers are given; absent headers have no key."""
        headers = {
            "HTTP_HOST": self.host,
            "HTTP_ORIGIN": self.origin,
            "HTTP_USER_AGENT": self.user_agent,
            "HTTP_X_FORWARDED_FOR": self.forwarded_for,
        }
        return {
            "REQUEST_METHOD": "GET",
            "QUERY_STRING": self.query,
            "REMOTE_ADDR": self.address,
            "wsgi.url_scheme": self.scheme,
        } | {key: value for key, value in headers.items() if value}


class Query(NamedTuple):
    """The parameters of the Engine.IO protocol in a request's query; an empty string where one is missing."""

    version: str
    transport: str
    sid: str


class Upgrade(NamedTuple):
    """An unambiguous websocket upgrade."""

    query: str
    key: str
    headers: dict[str, str]


def facts(query: str, scheme: str, address: str, headers: dict[str, str], keep: tuple[str, ...] = ()) -> Facts:
    """Keep what is needed; strings that many connections share are held once."""
    return Facts(
        _shared(query),
        scheme,
        address,
        _shared(headers.get("host", "")),
        _shared(headers.get("origin", "")),
        _shared(headers.get("user-agent", "")),
        headers.get("x-forwarded-for", ""),
        tuple(headers.get(name, "") for name in keep),
    )


def _shared(text: str) -> str:
    if len(text) > _SHORT:
        return text
    if len(_strings) >= _MANY:
        _strings.clear()
    return _strings.setdefault(text, text)


def query_of(text: str) -> Query:
    return _short_query(text) if len(text) <= _SHORT and "sid=" not in text else _parse_query(text)


def _parse_query(text: str) -> Query:
    try:
        found = parse_qs(text, max_num_fields=32)
    except ValueError:
        return Query("", "", "")
    return Query(*(found.get(name, [""])[0] for name in ("EIO", "transport", "sid")))


_short_query = lru_cache(maxsize=1024)(_parse_query)


def read_upgrade(head: bytes, path: str) -> Upgrade | None:
    """The upgrade in a request head (up to and without the blank line); None unless it is beyond doubt."""
    text = head.decode("latin-1")
    lines = text.split("\r\n")
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        return None
    parts = lines[0].split(" ")
    if len(parts) != 3 or parts[0] != "GET" or parts[2] != "HTTP/1.1":
        return None
    target, _, query = parts[1].partition("?")
    if target != path or "#" in query:
        return None
    headers = merge([_lines.get(line) or _pair(line) for line in lines[1:]])
    if headers is None or not asks_for_websocket(headers):
        return None
    return Upgrade(query, headers["sec-websocket-key"], headers)


def _pair(line: str) -> tuple[str, str]:
    """A header's name in lower case, empty for an odd one, and its value. Lines that clients share are split once."""
    name, colon, value = line.partition(":")
    pair = name.lower() if colon and name == name.strip(" \t") else "", value.strip(" \t")
    if len(line) <= _SHORT and pair[0] not in _OWN:
        if len(_lines) >= _MANY:
            _lines.clear()
        _lines[line] = pair
    return pair


def merge(pairs: Iterable[tuple[str, str]]) -> dict[str, str] | None:
    """Headers by lower-case name; None where they leave room for doubt: odd names, repetitions, a body."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        if name not in headers:
            headers[name] = value
        elif name in _ONCE:
            return None
        else:
            headers[name] = f"{headers[name]}, {value}"
    return headers if _DOUBTFUL.isdisjoint(headers) else None


def asks_for_websocket(headers: dict[str, str]) -> bool:
    """Whether the headers are those of a websocket upgrade of RFC 6455, version 13."""
    return (
        headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in headers.get("connection", "").lower().replace(" ", "").split(",")
        and headers.get("sec-websocket-version") == "13"
        and "host" in headers
        and _is_key(headers.get("sec-websocket-key", ""))
    )


def _is_key(key: str) -> bool:
    """Whether a Sec-WebSocket-Key is the base64 of 16 bytes."""
    try:
        return len(key) == 24 and len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except (binascii.Error, ValueError):
        return False
