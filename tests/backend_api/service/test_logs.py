"""Log lines: one JSON object each, without secrets."""

import io
import json
import logging

import pytest
import structlog
from aiohttp.http_exceptions import BadHttpMessage

from backend_api.service import logs

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl"


@pytest.fixture
def lines():
    """The lines written since, parsed."""
    stream = io.StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level
    logs.configure("info", stream)
    yield lambda: [json.loads(text) for text in stream.getvalue().splitlines()]
    logging.getLogger().handlers[:], level = before
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_time_level_and_context(lines):
    """Ours and the libraries' alike."""
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("ours").info("ready", url="http://127.0.0.1:8080")
    logging.getLogger("theirs").warning("slow: %s", "disk")
    ours, theirs = lines()
    assert (ours["event"], ours["url"], ours["level"]) == ("ready", "http://127.0.0.1:8080", "info")
    assert (ours["request_id"], ours["logger"]) == ("r-1", "ours")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("slow: disk", "warning", "theirs")


def test_lines_below_the_level_are_not_written(lines):
    """Debugging is off unless asked for."""
    structlog.get_logger("ours").debug("detail")
    logging.getLogger("theirs").debug("detail")
    assert lines() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"token": JWT}, {"tracking_token": "s3cret"}, {"api_key": "s3cret"}, {"apikey": "s3cret"}, {"secret": "s3cret"},
        {"Authorization": "Bearer s3cret"}, {"note": "sent Bearer s3cret to it"}, {"note": f"got {JWT}."},
        {"url": "mongodb://user:s3cret@db.example/x"}, {"url": "https://a.example/?token=s3cret&b=1"},
        {"nested": {"password": "s3cret"}}, {"several": ["ok", "https://u:s3cret@a.example"]},
    ],
)  # fmt: skip
def test_secrets_are_blanked_by_name_and_by_look(lines, fields):
    """Wherever somebody put them."""
    structlog.get_logger("ours").info("happened", **fields)
    [line] = lines()
    assert "s3cret" not in str(line)
    assert JWT not in str(line)
    assert logs.BLANK in str(line)


def test_what_is_no_secret_stays(lines):
    """Addresses with ports, ids of keys, figures."""
    fields = {"url": "http://127.0.0.1:8080/x?a=1", "key_id": "local-1", "tokens": 5, "path": "/a@b", "token": None}
    structlog.get_logger("ours").info("happened", **fields)
    [line] = lines()
    assert {name: line[name] for name in fields} == fields


def test_an_exception_is_in_the_line_without_its_secrets(lines):
    """With its trace, for the log is where that belongs."""
    try:
        raise ValueError("mongodb://user:s3cret@db.example")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    [line] = lines()
    assert "ValueError" in line["exception"]
    assert "s3cret" not in line["exception"]


def test_text_that_is_no_unicode_does_not_break_the_log(lines):
    """Strangers choose what is logged."""
    structlog.get_logger("ours").info("happened", path="/\udcff")
    assert lines()[0]["path"] == "/\udcff"


def test_malformed_http_leaves_no_trace_in_the_log(lines):
    """What strangers send to a port is no error of ours; other failures of the server are."""
    server = logging.getLogger("aiohttp.server")
    server.error("Error handling request", exc_info=BadHttpMessage("nonsense"))
    server.error("Unhandled exception", exc_info=RuntimeError("ours"))
    assert [line["event"] for line in lines()] == ["Unhandled exception"]
