"""Where a list of sessions goes on: the time and the id of the last one shown, as an opaque text. Pure."""

import math
from base64 import urlsafe_b64decode, urlsafe_b64encode

from backend_api.service.errors import FieldError, Unprocessable


def cursor_of(at: float, session_id: str) -> str:
    return urlsafe_b64encode(f"{at!r}|{session_id}".encode()).decode().rstrip("=")


def position(cursor: str) -> tuple[float, str]:
    """Time and id of a cursor; Unprocessable for one that we did not make."""
    try:
        at, _, session_id = urlsafe_b64decode(cursor + "==").decode().partition("|")
        seconds = float(at)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < 253_402_300_800:  # The year 10,000, which no database date reaches.
        errors = [FieldError("#/cursor", "not a cursor of this list")]
        raise Unprocessable("The query is not what it should be.", errors=errors)
    return seconds, session_id
