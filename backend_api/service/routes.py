"""How a route is declared. What the declaration says is checked, documented and answered, all from this one place.

    table = RouteTable("rooms")

    class RoomPath(Wire):
        room: Room

    class HistoryQuery(Wire):
        time_range: Literal["1h", "24h", "all"] = "24h"

    @table.get("/api/v1/rooms/{room}/history", allow=(owner_of_room, admin), summary="A room's history")
    async def read_history(*, path: RoomPath, query: HistoryQuery, store: Store, now: float) -> History:
        return await store.history(path.room, query.time_range, now)

A handler names, by keyword, any of `path`, `query`, `body` (a model; `bytes` for the raw body), `caller`
(access.Caller), `now` (Unix seconds), `address` (of the client), `request` (aiohttp's). Any other parameter is a
service: the object of that type among `build_app(services=...)`.

What it returns becomes `{"success": true, "data": ...}`, without the wrapping where `bare=True`; a `Csv` is streamed,
an aiohttp response is sent as it is. What it raises from `errors` becomes problem+json. Order of the checks: 401, path,
403, query, body.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict, TypeVar, Unpack

from backend_api.service.access import Rule, is_internal_only
from backend_api.service.signatures import Shape, shape_of

MAX_BODY_BYTES = 64 * 1024

Handler = Callable[..., Awaitable[object]]
H = TypeVar("H", bound=Handler)


class Options(TypedDict):
    """What a declaration says beside method and path."""

    allow: Sequence[Rule]
    summary: str
    status: NotRequired[int]
    """Of a success; 200 unless said."""
    bare: NotRequired[bool]
    beacon: NotRequired[bool]
    """Also takes the JSON as text/plain, as `navigator.sendBeacon` sends it."""
    max_body_bytes: NotRequired[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One declaration."""

    method: str
    path: str
    handler: Handler
    shape: Shape
    allow: Sequence[Rule]
    summary: str
    status: int = 200
    bare: bool = False
    beacon: bool = False
    max_body_bytes: int = MAX_BODY_BYTES

    @property
    def name(self) -> str:
        """Unique among the routes: `get_api_v1_rooms_room_history`."""
        return "_".join([self.method.lower(), *re.findall(r"[A-Za-z0-9]+", self.template)])

    @property
    def template(self) -> str:
        """The path without the patterns of its parameters."""
        return re.sub(r"{(\w+):[^{}]*}", r"{\1}", self.path)

    @property
    def path_names(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.template)


class RouteTable:
    """The routes of a feature, in the order of their declaration; `name` groups them in the documentation."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.routes: list[Route] = []

    def get(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        """Answers HEAD as well."""
        return self._declare("GET", path, options)

    def post(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self._declare("POST", path, options)

    def put(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self._declare("PUT", path, options)

    def patch(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self._declare("PATCH", path, options)

    def delete(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self._declare("DELETE", path, options)

    def without_internal(self) -> "RouteTable":
        """The same without the routes that only services of ours may call."""
        table = RouteTable(self.name)
        table.routes = [route for route in self.routes if not is_internal_only(route.allow)]
        return table

    def _declare(self, method: str, path: str, options: Options) -> Callable[[H], H]:
        def declare(handler: H) -> H:
            shape = shape_of(handler)
            route = Route(method=method, path=path, handler=handler, shape=shape, **options)
            _check_path(route)
            self.routes.append(route)
            return handler

        return declare


def _check_path(route: Route) -> None:
    """TypeError where the path model has a field that the path does not name, or the other way round."""
    if route.shape.path is not None:
        fields = {field.alias or name for name, field in route.shape.path.model_fields.items()}
        if fields != set(route.path_names):
            raise TypeError(f"{route.method} {route.path}: the path model has {', '.join(sorted(fields))}")
