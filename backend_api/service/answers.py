"""The shapes of answers: `{"success": true, "data": ...}` and problem+json (RFC 9457). Pure; sends nothing."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from backend_api.contract.rooms import ID_PATTERN
from backend_api.service.errors import AppError, BadRequest, FieldError, Unprocessable

MAX_ERRORS = 50
"""A body of a thousand bad items is not answered with a thousand explanations."""

MAX_FAULTS = 2_000
"""Beyond so many they are only counted: to list hundreds of thousands takes a second."""


_WORDS = {f"^{ID_PATTERN}$": "an id has 1 to 128 letters, digits or . _ ~ - and no spaces"}
"""People meet these patterns in filters of pages; a regular expression tells them nothing."""


class FieldProblem(BaseModel):
    """What is wrong with one value; the pointer is relative to the body, the query or the path."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """Why a request was not served (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    requestId: str  # noqa: N815 - the wire's name
    errors: list[FieldProblem] | None = None


def success(data: object, shape: TypeAdapter[Any], *, status: int, bare: bool) -> web.Response:
    """The data as JSON, wrapped unless `bare`."""
    written = orjson.Fragment(shape.dump_json(data, by_alias=True))
    body = orjson.dumps(written if bare else {"success": True, "data": written})
    return web.Response(body=body, status=status, content_type="application/json")


def problem(
    status: int,
    detail: str,
    request_id: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    """A problem+json answer; `members` are added to it."""
    document: dict[str, object] = {
        **(members or {}),
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "requestId": request_id,
    }
    if errors:
        document["errors"] = [error._asdict() for error in errors]
    body = orjson.dumps(document)
    return web.Response(body=body, status=status, headers=headers, content_type="application/problem+json")


def refusal(error: ValidationError, place: str) -> AppError:
    """What is wrong with the `place` (body, query, path): malformed JSON is a 400, all else a 422 with its fields."""
    if error.error_count() > MAX_FAULTS:
        return Unprocessable(f"The {place} is not what it should be: it has {error.error_count()} errors.")
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return BadRequest(f"The {place} is malformed: {found[0]['msg']}.")
    errors = [FieldError(_pointer(item["loc"]), _words(item)) for item in found]
    more = "" if len(errors) <= MAX_ERRORS else f" These are the first {MAX_ERRORS} of {len(errors)} errors."
    return Unprocessable(f"The {place} is not what it should be.{more}", errors=errors[:MAX_ERRORS])


def _words(item: ErrorDetails) -> str:
    pattern = item.get("ctx", {}).get("pattern", "")
    return _WORDS.get(pattern, item["msg"].removeprefix("Value error, "))


def _pointer(location: Sequence[str | int]) -> str:
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)
