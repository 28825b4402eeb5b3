"""Serves one declared route: who calls, what they sent, the handler, the answer. Decides nothing about the feature."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel, ValidationError

from backend_api.service.access import Caller, Nobody, anyone, authorize, unchecked
from backend_api.service.addresses import Networks, client_address
from backend_api.service.answers import refusal, success
from backend_api.service.bodies import Body, check_media_type
from backend_api.service.csv import Csv
from backend_api.service.downloads import send_csv
from backend_api.service.errors import BadRequest, FieldError, Unauthorized, Unprocessable
from backend_api.service.identity import Identify
from backend_api.service.routes import Route

MAX_QUERY_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all endpoints of a program share."""

    identify: Identify
    now: Callable[[], float]
    services: Sequence[object]
    trusted_proxies: Networks


class Endpoint:
    """One route bound to the services it needs; TypeError when one of them is not there."""

    def __init__(self, route: Route, around: Surroundings) -> None:
        self.route = route
        self._around = around
        self._services = {name: _service(route, kind, around.services) for name, kind in route.shape.services.items()}

    @property
    def is_unchecked(self) -> bool:
        return unchecked in self.route.allow

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The answer; raises AppError for a request that is refused."""
        body = Body(request, self.route.max_body_bytes)
        caller = await self._caller(request, body)
        path = self._path(request)
        authorize(caller, getattr(path, "room", None), self.route.allow)
        query, bom = self._query(request)
        known = {
            "path": path,
            "query": query,
            "body": await self._content(request, body),
            "caller": caller,
            "now": self._around.now(),
            "address": address_of(request, self._around.trusted_proxies),
            "request": request,
        }
        arguments = {name: known[name] for name in self.route.shape.takes}
        result = await self.route.handler(**arguments, **self._services)
        return await self._answer(request, result, bom=bom)

    async def _caller(self, request: web.Request, body: Body) -> Caller:
        if self.is_unchecked:
            return Nobody()
        caller = await self._around.identify(request, body.read)
        if isinstance(caller, Nobody) and anyone not in self.route.allow:
            raise Unauthorized
        return caller

    def _path(self, request: web.Request) -> BaseModel | None:
        model = self.route.shape.path
        return None if model is None else _read_strings(model, dict(request.match_info), "path")

    def _query(self, request: web.Request) -> tuple[BaseModel | None, bool]:
        """The query as its model, and whether a CSV shall begin with a byte order mark."""
        shape = self.route.shape
        if shape.is_ready and shape.query is None:  # pages are reached with whatever a link had appended
            return None, False
        fields = query_fields(request.rel_url.raw_query_string)
        bom = _flag(fields, "bom") if shape.is_csv else False
        if shape.query is not None:
            return _read_strings(shape.query, fields, "query"), bom
        if fields:
            raise Unprocessable("This takes no query.", errors=[FieldError(f"#/{name}", "unknown") for name in fields])
        return None, bom

    async def _content(self, request: web.Request, body: Body) -> object:
        shape = self.route.shape
        if shape.raw_body:
            return await body.read()
        if shape.body is None:
            return None
        check_media_type(request, beacon=self.route.beacon)
        try:
            return shape.body.validate_json(await body.read())
        except ValidationError as error:
            raise refusal(error, "body") from None

    async def _answer(self, request: web.Request, result: object, *, bom: bool) -> web.StreamResponse:
        if isinstance(result, web.StreamResponse):
            return result
        if isinstance(result, Csv):
            return await send_csv(request, result, bom=bom)
        return success(result, self.route.shape.result, status=self.route.status, bare=self.route.bare)


def address_of(request: web.BaseRequest, trusted: Networks) -> str:
    """The client's address, through the proxies that are trusted."""
    return client_address(request.remote or "", request.headers.getall("X-Forwarded-For", ()), trusted)


def query_fields(raw: str) -> dict[str, str]:
    """The query's fields; BadRequest where it cannot be read, Unprocessable where a field occurs twice."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise BadRequest("The query is malformed.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = sorted({name for name, count in Counter(name for name, _ in pairs).items() if count > 1})
        raise Unprocessable("A field of the query occurs twice.", errors=[FieldError(f"#/{n}", "twice") for n in twice])
    return fields


def _flag(fields: dict[str, str], name: str) -> bool:
    """Takes a 0 or 1 out of the fields; 0 where there is none."""
    given = fields.pop(name, "0")
    if given not in ("0", "1"):
        raise Unprocessable("The query is not what it should be.", errors=[FieldError(f"#/{name}", "must be 0 or 1")])
    return given == "1"


def _read_strings(model: type[BaseModel], fields: dict[str, str], place: str) -> BaseModel:
    try:
        return model.model_validate_strings(fields)
    except ValidationError as error:
        raise refusal(error, place) from None


def _service(route: Route, kind: type, services: Sequence[object]) -> object:
    for service in services:
        if isinstance(service, kind):
            return service
    raise TypeError(f"{route.method} {route.path} needs a {kind.__qualname__}, and there is none among the services")
