"""What is read of a request's head, and what is remembered of it."""

import base64

import pytest

from presence_server.engine import requests
from presence_server.engine.requests import read_upgrade

PATH = "/socket.io/"


def head(number=0, **more):
    lines = {
        "Host": "a.example",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(number.to_bytes(16, "big")).decode(),
    } | more
    return "\r\n".join([f"GET {PATH}?EIO=4 HTTP/1.1", *(f"{k}: {v}" for k, v in lines.items())]).encode()


def test_the_same_head_is_read_the_same_every_time():
    """Lines that were seen before give what they gave at first, whatever case and blanks they came with."""
    first = read_upgrade(head(USER_AGENT="x:  y "), PATH)
    again = read_upgrade(head(USER_AGENT="x:  y "), PATH)
    assert first == again and first.headers["user_agent"] == "x:  y"
    assert first.headers["user_agent"] is again.headers["user_agent"], "it is held once"


@pytest.mark.parametrize("odd", ["Host : b", " folded", ": nameless", "no colon", "Host: b", "Content-Length: 1"])
def test_an_odd_line_is_odd_every_time(odd):
    """Doubt is not forgotten."""
    for _ in range(2):
        assert read_upgrade(head() + b"\r\n" + odd.encode(), PATH) is None


def test_what_is_one_clients_own_is_not_remembered():
    """Keys, cookies, tokens and addresses go with their clients; and what is remembered of the rest is bounded."""
    for number in range(3 * requests._MANY):
        own = {"Cookie": f"c={number}", "Authorization": f"Bearer {number}", "X-Forwarded-For": f"10.0.{number}.1"}
        assert read_upgrade(head(number, **own, Origin=f"https://{number}.example"), PATH).headers["cookie"]
        assert len(requests._lines) <= requests._MANY
    names = {name for name, _ in requests._lines.values()}
    assert "origin" in names and not names & {"sec-websocket-key", "cookie", "authorization", "x-forwarded-for"}
