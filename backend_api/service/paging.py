"""Lists in pages: how many, and where to go on. A cursor is opaque to clients and says nothing that matters. Pure."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from backend_api.contract.wire import Wire
from backend_api.service.errors import FieldError, Unprocessable

MAX_LIMIT = 500

Position = tuple[str | int | float, ...]
"""The sort keys of the last item of a page."""

_position: TypeAdapter[Position] = TypeAdapter(Position)


class PageQuery(Wire):
    """The part of a query that every list has."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 100
    cursor: Annotated[str, Field(max_length=1_000)] | None = None

    @property
    def after(self) -> Position | None:
        """Where the page before ended, None at the start. Unprocessable for a cursor that none of ours is."""
        return None if self.cursor is None else _decoded(self.cursor)


def cursor_at(*position: str | int | float) -> str:
    """The cursor of a page that ended with an item of these sort keys."""
    return urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def _decoded(cursor: str) -> Position:
    try:
        return _position.validate_json(urlsafe_b64decode(cursor + "=="))
    except (ValueError, ValidationError):
        raise Unprocessable("The query is not what it should be.", errors=[FieldError("#/cursor", "invalid")]) from None
