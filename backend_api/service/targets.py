"""Which request targets and Host headers are read at all. Pure."""

import re
from urllib.parse import unquote_to_bytes

from backend_api.service.errors import BadRequest

_host = re.compile(r"[A-Za-z0-9._-]*(:\d{0,5})?|\[[0-9A-Fa-f:.]+\](:\d{0,5})?")
_broken_escape = re.compile(r"%(?![0-9A-Fa-f]{2})")
_control = re.compile(rb"[\x00-\x1f\x7f]")


def check_target(target: str) -> None:
    """BadRequest for path and query that are no text: broken escapes, control characters, bytes that are not UTF-8."""
    raw = unquote_to_bytes(target.encode("utf-8", "surrogateescape"))
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise BadRequest("The path or the query is not UTF-8.") from None
    if _broken_escape.search(target) or _control.search(raw):
        raise BadRequest("The path or the query is malformed.")


def check_host(host: str) -> None:
    """BadRequest for what is no host: pages tell their own address by it."""
    if not _host.fullmatch(host):
        raise BadRequest("The Host header is malformed.")
