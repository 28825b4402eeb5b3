"""Reads a handler's signature: what it takes from the request, which services it needs, what it returns. Pure."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter

from backend_api.service.csv import Csv

GIVEN = ("path", "query", "body", "caller", "now", "address", "request")
"""The parameters that come from the request; the first three need a model."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What one handler takes and gives. `raw_body`: the body's bytes; `is_ready`: it returns an aiohttp response."""

    takes: tuple[str, ...]
    services: dict[str, type]
    path: type[BaseModel] | None
    query: type[BaseModel] | None
    body: TypeAdapter[Any] | None
    raw_body: bool
    result: TypeAdapter[Any]
    is_csv: bool
    is_ready: bool


def shape_of(handler: Callable[..., object]) -> Shape:
    """TypeError, when the module is imported, for a signature that no request could fill."""
    hints = get_type_hints(handler, include_extras=True)
    names = tuple(inspect.signature(handler).parameters)
    if missing := [name for name in (*names, "return") if name not in hints]:
        raise TypeError(f"{handler.__qualname__}: no type for {', '.join(missing)}")
    result, body = hints["return"], hints.get("body")
    is_ready = isinstance(result, type) and issubclass(result, web.StreamResponse)
    return Shape(
        takes=tuple(name for name in names if name in GIVEN),
        services={name: hints[name] for name in names if name not in GIVEN},
        path=_model(handler, hints.get("path")),
        query=_model(handler, hints.get("query")),
        body=None if body in (None, bytes) else _adapter(body),
        raw_body=body is bytes,
        result=_adapter(None if is_ready or result is Csv else result),
        is_csv=result is Csv,
        is_ready=is_ready,
    )


def _model(handler: Callable[..., object], hint: Any) -> type[BaseModel] | None:
    if hint is None or (isinstance(hint, type) and issubclass(hint, BaseModel)):
        return hint
    raise TypeError(f"{handler.__qualname__}: path and query must be pydantic models")


def _adapter(hint: Any) -> TypeAdapter[Any]:
    """Built when it is first used, as models are that say so themselves."""
    is_model = isinstance(hint, type) and issubclass(hint, BaseModel)
    return TypeAdapter(hint) if is_model else TypeAdapter(hint, config=ConfigDict(defer_build=True))
