"""What holds for every request of a program: ids, problems, methods, origins, headers, metrics."""

import re

import pytest
from aiohttp import web

from backend_api.contract.wire import Wire
from backend_api.service.access import admin, anyone, unchecked
from backend_api.service.routes import RouteTable
from backend_api.service.web import build_app

HOME, FOREIGN = "https://shop.example", "https://evil.example"


class Id(Wire):
    id: str


@pytest.fixture
def table():
    table = RouteTable("things")

    @table.get("/things/{id}", allow=(anyone,), summary="Read")
    async def read(*, path: Id) -> str:
        return path.id

    @table.put("/things/{id}", allow=(anyone,), summary="Write")
    async def write(*, path: Id) -> str:
        return path.id

    @table.get("/page", allow=(unchecked,), summary="A page")
    async def page() -> web.Response:
        return web.Response(text="here", headers={"Cache-Control": "max-age=60"})

    @table.get("/secret", allow=(admin,), summary="Admins'")
    async def secret() -> None:
        return None

    @table.get("/bug", allow=(anyone,), summary="A bug")
    async def bug() -> None:
        raise RuntimeError("internal detail")

    @table.get("/away", allow=(anyone,), summary="The database is away")
    async def away() -> None:
        raise EOFError("10.0.0.7 refused")

    @table.get("/moved", allow=(unchecked,), summary="A redirect")
    async def moved() -> web.Response:
        raise web.HTTPFound("/page")

    return table


@pytest.fixture
async def client(serve, table):
    return await serve(table, allowed_origins={HOME}, unavailable=(EOFError,), connect_to=["https://live.example"])


async def get(client, path, method="GET", **headers):
    async with client.request(method, path, headers=headers, allow_redirects=False) as answer:
        document = await answer.json(content_type=None) if "json" in answer.content_type else await answer.text()
        return answer, document


async def test_an_unknown_path_is_a_problem(client):
    """404 as problem+json, with the id of the request."""
    answer, problem = await get(client, "/nothing")
    assert (answer.status, answer.content_type) == (404, "application/problem+json")
    assert problem["requestId"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("method", ["DELETE", "POST", "PATCH", "TRACE", "PROPFIND"])
async def test_an_unknown_method_is_a_problem_that_names_the_known_ones(client, method):
    """405 with Allow."""
    answer, problem = await get(client, "/things/1", method)
    assert (answer.status, answer.content_type) == (405, "application/problem+json")
    assert answer.headers["Allow"] == "GET, HEAD, PUT"
    assert problem["status"] == 405


async def test_head_is_a_get_without_a_body(client):
    """Same status, same length, nothing else."""
    answer, _ = await get(client, "/things/abc")
    head, text = await get(client, "/things/abc", "HEAD")
    assert (head.status, text) == (200, None)
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]


async def test_options_tells_the_methods(client):
    """Without any origin; and 404 where nothing is."""
    answer, text = await get(client, "/things/1", "OPTIONS")
    assert (answer.status, text) == (204, "")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, PUT"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert (await get(client, "/nothing", "OPTIONS"))[0].status == 404


async def test_a_request_keeps_its_id_if_that_is_one(client):
    """Short and plain; anything else is replaced."""
    assert (await get(client, "/page", **{"X-Request-Id": "a-1.b_2"}))[0].headers["X-Request-Id"] == "a-1.b_2"
    for strange in ("", "x" * 65, "a b", "é", "a;b"):
        answer, _ = await get(client, "/page", **{"X-Request-Id": strange})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


async def test_a_bug_is_a_500_that_tells_nothing(client):
    """What happened is in the log, not in the answer."""
    answer, problem = await get(client, "/bug")
    assert answer.status == 500
    assert "internal detail" not in str(problem)
    assert "Traceback" not in str(problem)


async def test_what_is_away_is_a_503_with_retry_after(client):
    """The driver's exceptions are named by the program; their text stays inside."""
    answer, problem = await get(client, "/away")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "10.0.0.7" not in str(problem)


async def test_a_redirect_is_left_alone(client):
    """It is no problem."""
    answer, _ = await get(client, "/moved")
    assert (answer.status, answer.headers["Location"]) == (302, "/page")


async def test_every_answer_carries_the_headers_that_protect_a_browser(client):
    """Nothing is sniffed, leaked as a referrer or kept, unless the answer says so; scripts are the page's own."""
    for path in ("/things/1", "/nothing", "/bug"):
        headers = (await get(client, path))[0].headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers
    headers = (await get(client, "/page"))[0].headers
    assert headers["Cache-Control"] == "max-age=60"
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == "'self' https://live.example wss://live.example"


async def test_an_allowed_origin_may_read_answers_and_problems(client):
    """On success, on refusal, where nothing is."""
    for path in ("/things/1", "/secret", "/nothing", "/bug"):
        headers = (await get(client, path, Origin=HOME))[0].headers
        assert headers["Access-Control-Allow-Origin"] == HOME
        assert "X-Request-Id" in headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in headers
        assert headers["Vary"] == "Origin"


async def test_a_preflight_of_an_allowed_origin_is_granted(client):
    """With the methods of the path and the headers that callers need."""
    answer, _ = await get(client, "/things/1", "OPTIONS", Origin=HOME, **{"Access-Control-Request-Method": "PUT"})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == HOME
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


async def test_a_foreign_origin_is_refused(client):
    """Requests are not served, preflights not granted; what everybody may see is served but not opened."""
    for method in ("GET", "PUT"):
        answer, _ = await get(client, "/things/1", method, Origin=FOREIGN)
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    preflight, _ = await get(client, "/things/1", "OPTIONS", Origin=FOREIGN)
    assert "Access-Control-Allow-Origin" not in preflight.headers
    page, _ = await get(client, "/page", Origin=FOREIGN)
    assert page.status == 200
    assert "Access-Control-Allow-Origin" not in page.headers
    for opaque in ("null", "https://shop.example.evil.example", "http://shop.example", ""):
        assert (await get(client, "/things/1", Origin=opaque))[0].status == 403


async def test_the_programs_own_origin_needs_no_list(client):
    """A page's own requests carry Origin too; it is compared with Host."""
    own = str(client.make_url("/"))[:-1]
    assert (await get(client, "/things/1", "PUT", Origin=own))[0].status == 200


async def test_a_star_allows_every_origin(serve, table):
    """There are no cookies to steal; whoever wants an open API says so."""
    client = await serve(table, allowed_origins={"*"})
    answer, _ = await get(client, "/things/1", Origin=FOREIGN)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


async def test_requests_are_counted_by_template_and_never_by_path(client, metrics):
    """Labels stay bounded whatever strangers ask for."""
    for number in range(3):
        await get(client, f"/things/{number}")
        await get(client, f"/nothing/{number}")
        await get(client, f"/things/{number}", "PROPFIND")
    value = metrics.registry.get_sample_value
    labels = {"method": "GET", "route": "/things/{id}", "status": "200"}
    assert value("http_requests_total", labels) == 3
    assert value("http_requests_total", {"method": "GET", "route": "unmatched", "status": "404"}) == 3
    assert value("http_requests_total", {"method": "other", "route": "unmatched", "status": "405"}) == 3
    assert value("http_request_seconds_count", {"method": "GET", "route": "/things/{id}"}) == 3


async def test_handlers_added_by_other_means_keep_their_own_rules(identify, metrics, clock, serve_app):
    """The Socket.IO server decides about origins itself; ids and protecting headers it gets all the same."""

    async def handler(_request):
        return web.Response(text="own rules", headers={"Access-Control-Allow-Origin": "https://a.example"})

    app = build_app([], identify=identify, metrics=metrics, now=clock)
    app.router.add_route("*", "/socket.io/", handler)
    client = await serve_app(app)
    for method in ("GET", "OPTIONS", "POST"):
        answer, text = await get(client, "/socket.io/", method, Origin=FOREIGN)
        assert (answer.status, text) == (200, "own rules")
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert "X-Request-Id" in answer.headers
