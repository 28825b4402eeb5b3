"""Logs: structlog and the standard library's alike, one JSON object a line on stderr, secrets blanked out."""

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import orjson
import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import Processor

BLANK = "[redacted]"

_secret_name = re.compile(r"(^|_)(token|secret|password|authorization|signature|cookie|api_?key|signing_key)$", re.I)
_secret_text = re.compile(
    r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<=://)[^/\s@]+(?=@)"  # user and password of a URL
    r"|(?<=bearer )\S+"
    r"|(?<=token=)[^\s&\"']+",
    re.IGNORECASE,
)


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Sends every log line to `stream`: JSON, or plain to read where it is a terminal."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(stream)],
        )
    )
    handler.addFilter(_is_worth_a_line)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blanks values by their name, and whatever looks like a credential inside a text."""
    for name, value in event.items():
        event[name] = BLANK if _secret_name.search(name) and value else _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _secret_text.sub(BLANK, value)
    if isinstance(value, dict):
        return redact(None, "", dict(value))
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def _renderer(stream: TextIO) -> Processor:
    if stream.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer(serializer=_as_json)


def _as_json(event: dict[str, Any], **_: object) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # strangers send text that is no Unicode; the standard library escapes it
        return json.dumps(event, default=str)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Malformed HTTP comes with a traceback from aiohttp; what strangers send to a port is no error of ours."""
    cause = record.exc_info[1] if record.exc_info else None
    return not (record.name == "aiohttp.server" and isinstance(cause, HttpProcessingError))
