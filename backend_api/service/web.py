"""Makes a program's aiohttp application from its route tables: request ids, problems, origins, headers, metrics."""

import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import structlog
from aiohttp import HttpVersion11, web
from aiohttp.hdrs import EXPECT
from aiohttp.typedefs import Middleware

from backend_api.service.addresses import Networks
from backend_api.service.answers import problem
from backend_api.service.endpoint import Endpoint, Surroundings
from backend_api.service.errors import AppError, Forbidden, Unavailable
from backend_api.service.identity import Identify
from backend_api.service.metrics import UNMATCHED, Metrics
from backend_api.service.origins import cors_headers, is_foreign, preflight_headers
from backend_api.service.routes import RouteTable
from backend_api.service.targets import check_host, check_target

log = structlog.get_logger(__name__)

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID_HEADER = "X-Request-Id"

_REQUEST_ID = web.RequestKey("request_id", str)

_request_id = re.compile(r"[A-Za-z0-9._-]{1,64}")


def build_app(
    tables: Iterable[RouteTable],
    *,
    identify: Identify,
    metrics: Metrics,
    now: Callable[[], float] = time.time,
    services: Sequence[object] = (),
    allowed_origins: Collection[str] = (),
    trusted_proxies: Networks = (),
    connect_to: Sequence[str] = (),
    unavailable: tuple[type[Exception], ...] = (),
    nowhere: Callable[[web.Request], web.Response] | None = None,
) -> web.Application:
    """The application that serves `tables`; serve it with RUNNER_OPTIONS.

    `services` are what handlers ask for by type, `connect_to` the origins that pages may call besides their own.
    `unavailable` are the exceptions which mean that something this depends on is away (503). `nowhere` answers
    a browser that looks for a page where there is nothing.
    """
    around_all = [_observing(metrics), _explaining(unavailable, nowhere), _guarding(allowed_origins)]
    app = web.Application(middlewares=around_all)
    app.on_response_prepare.append(_headers(allowed_origins, content_policy(connect_to)))
    around = Surroundings(identify, now, services, trusted_proxies)
    for route in (route for table in tables for route in table.routes):
        endpoint = Endpoint(route, around)
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, route.path, endpoint.handle, expect_handler=expect)
    return app


RUNNER_OPTIONS: Mapping[str, Any] = {
    "access_log": None,
    "auto_decompress": False,  # signatures cover the bytes as sent, and nothing inflates unasked
    "keepalive_timeout": 75.0,
}
"""For `web.AppRunner(app, **RUNNER_OPTIONS)`."""


def request_id_of(request: web.Request) -> str:
    """The id under which this request is logged and answered: its own where that is fit to be one, else a new one."""
    if _REQUEST_ID not in request:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        request[_REQUEST_ID] = given if _request_id.fullmatch(given) else uuid4().hex
    return request[_REQUEST_ID]


async def expect(request: web.Request) -> web.Response | None:
    """Answers an Expect header before any middleware runs: go on for `100-continue`, 417 for what nobody knows."""
    if request.version < HttpVersion11:
        return None
    if request.headers[EXPECT].lower() != "100-continue":
        return problem(417, "Only 100-continue can be expected.", request_id_of(request))
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
    return None


def content_policy(connect_to: Sequence[str]) -> str:
    """The Content-Security-Policy of every answer; a page may also connect to these origins, sockets included."""
    sockets = [re.sub("^http", "ws", origin) for origin in connect_to]
    connect = " ".join(["'self'", *connect_to, *sockets])
    return f"default-src 'self'; connect-src {connect}; object-src 'none'; base-uri 'none'; frame-ancestors 'self'"


def _observing(metrics: Metrics) -> Middleware:
    @web.middleware
    async def observe(request: web.Request, handler: Serve) -> web.StreamResponse:
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id_of(request)):
            response = await handler(request)
            seconds = time.perf_counter() - started
            log.debug("served", method=request.method, path=request.path, status=response.status, seconds=seconds)
        resource = request.match_info.route.resource
        route = UNMATCHED if resource is None else resource.canonical
        metrics.served(request.method, route, response.status, seconds)
        return response

    return observe


def _explaining(
    unavailable: tuple[type[Exception], ...], nowhere: Callable[[web.Request], web.Response] | None
) -> Middleware:
    @web.middleware
    async def explain(request: web.Request, handler: Serve) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound as error:
            return _page_of(request, nowhere) or _framework_problem(request, error)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _framework_problem(request, error)
        except AppError as error:
            return _app_problem(request, error)
        except unavailable as error:
            log.warning("unavailable", path=request.path, error=f"{type(error).__name__}: {error}")
            return _app_problem(request, Unavailable("Something this depends on is away; try again."))
        except Exception:
            log.exception("request_failed", method=request.method, path=request.path)
            return problem(500, "The request failed; the log knows why.", request_id_of(request))

    return explain


def _page_of(request: web.Request, nowhere: Callable[[web.Request], web.Response] | None) -> web.Response | None:
    if nowhere is None or "text/html" not in request.headers.get("Accept", ""):
        return None
    try:
        return nowhere(request)
    except ValueError:  # Pages name their own address, and a Host may be none.
        return None


def _app_problem(request: web.Request, error: AppError) -> web.Response:
    return problem(
        error.status,
        error.detail,
        request_id_of(request),
        errors=error.errors,
        headers=error.headers,
        members=error.members,
    )


def _framework_problem(request: web.Request, error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        detail, headers = f"Only {allowed} can be asked of this path.", {"Allow": allowed}
        return problem(405, detail, request_id_of(request), headers=headers)
    detail = "There is nothing at this path." if error.status == 404 else ""
    return problem(error.status, detail, request_id_of(request))


def _guarding(allowed_origins: Collection[str]) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Serve) -> web.StreamResponse:
        check_target(request.raw_path)
        check_host(request.headers.get("Host", ""))
        origin = request.headers.get("Origin")
        refused = request.match_info.http_exception
        if request.method == "OPTIONS" and isinstance(refused, web.HTTPMethodNotAllowed):
            return _options(origin, refused.allowed_methods)
        endpoint = _endpoint_of(request)
        foreign = is_foreign(origin, request.headers.get("Host"), allowed_origins)
        if foreign and endpoint is not None and not endpoint.is_unchecked:
            raise Forbidden("This origin may not call.")
        return await handler(request)

    return guard


def _endpoint_of(request: web.Request) -> Endpoint | None:
    """None where nothing matched, and for handlers that were added to the application by other means."""
    endpoint = getattr(request.match_info.handler, "__self__", None)
    return endpoint if isinstance(endpoint, Endpoint) else None


def _options(origin: str | None, methods: Collection[str]) -> web.Response:
    allow = {"Allow": ", ".join(sorted({*methods, "OPTIONS"}))}
    return web.Response(status=204, headers={**allow, **(preflight_headers(methods) if origin else {})})


def _headers(
    allowed_origins: Collection[str], policy: str
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def add(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers.setdefault(REQUEST_ID_HEADER, request_id_of(request))
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("Content-Security-Policy", policy)
        headers.pop("Server", None)
        if request.match_info.http_exception is not None or _endpoint_of(request) is not None:
            headers.update(cors_headers(request.headers.get("Origin"), allowed_origins))

    return add
