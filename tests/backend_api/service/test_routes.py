"""Declaring a route: what a handler is given, what becomes of its result, and which checks come first."""

import pytest
from aiohttp import web
from pydantic import BaseModel

from backend_api.contract.rooms import Room
from backend_api.contract.wire import Timestamp, Wire, at
from backend_api.service.access import Caller, Internal, admin, anyone, internal, owner_of_room, unchecked
from backend_api.service.errors import Conflict, FieldError, TooManyRequests, Unprocessable
from backend_api.service.routes import RouteTable


class RoomPath(Wire):
    room: Room


class AuctionPath(Wire):
    id: str

    @property
    def room(self):
        return f"auction:{self.id}"


class Query(Wire):
    limit: int = 10


class Body(Wire):
    viewer_count: int


class Answer(Wire):
    room: str
    is_late: bool = False
    seen_at: Timestamp | None = None


class Store:
    def __init__(self, name="store"):
        self.name = name


async def ask(client, method, path, **options):
    async with client.request(method, path, **options) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.fixture
def table():
    return RouteTable("things")


async def test_a_handler_is_given_what_it_names(table, serve, clock):
    """Path, query, body, caller, time, address, request, and a service by its type."""

    @table.post("/rooms/{room}", allow=(anyone,), summary="All of it")
    async def handler(
        *, path: RoomPath, query: Query, body: Body, caller: Caller, now: float, address: str, request: web.Request,
        store: Store,
    ) -> dict[str, object]:  # fmt: skip
        return {
            "path": path.room, "query": query.limit, "body": body.viewer_count, "caller": type(caller).__name__,
            "now": now, "address": address, "method": request.method, "store": store.name,
        }  # fmt: skip

    client = await serve(table, services=[object(), Store("the one")])

    status, answer = await ask(client, "POST", "/rooms/auction:a1?limit=5", json={"viewerCount": 3})

    assert status == 200
    assert answer["data"] == {
        "path": "auction:a1", "query": 5, "body": 3, "caller": "Nobody", "now": clock(), "address": "127.0.0.1",
        "method": "POST", "store": "the one",
    }  # fmt: skip


async def test_a_handler_may_name_nothing(table, serve):
    """The smallest route there is."""

    @table.get("/", allow=(anyone,), summary="Nothing")
    async def handler() -> None:
        return None

    assert await ask(await serve(table), "GET", "/") == (200, {"success": True, "data": None})


async def test_what_is_returned_is_wrapped_and_named_as_on_the_wire(table, serve):
    """camelCase, RFC 3339, and `success` around it; bare where the route says so."""
    answer = Answer(room="auction:a1", is_late=True, seen_at=at(1_795_257_000))
    wire = {"room": "auction:a1", "isLate": True, "seenAt": "2026-11-21T10:30:00Z"}

    @table.get("/wrapped", allow=(anyone,), summary="Wrapped")
    async def wrapped() -> Answer:
        return answer

    @table.get("/bare", allow=(anyone,), summary="Bare", bare=True)
    async def bare() -> list[Answer]:
        return [answer]

    @table.post("/made", allow=(anyone,), summary="Made", status=201)
    async def made() -> Answer:
        return answer

    client = await serve(table)
    assert await ask(client, "GET", "/wrapped") == (200, {"success": True, "data": wire})
    assert await ask(client, "GET", "/bare") == (200, [wire])
    assert await ask(client, "POST", "/made") == (201, {"success": True, "data": wire})


async def test_what_is_raised_is_a_problem(table, serve):
    """Status, title, detail, the fields at fault, Retry-After, and the id under which the log has it."""

    @table.get("/conflict", allow=(anyone,), summary="409")
    async def conflict() -> None:
        raise Conflict("It has ended.")

    @table.get("/fields", allow=(anyone,), summary="422")
    async def fields() -> None:
        raise Unprocessable("No.", errors=[FieldError("#/a", "wrong")])

    @table.get("/later", allow=(anyone,), summary="429")
    async def later() -> None:
        raise TooManyRequests("Slow down.", retry_after_seconds=7)

    client = await serve(table)
    async with client.get("/conflict", headers={"X-Request-Id": "r-1"}) as answer:
        assert answer.content_type == "application/problem+json"
        assert answer.headers["X-Request-Id"] == "r-1"
        problem = {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "It has ended."}
        assert await answer.json() == problem | {"requestId": "r-1"}
    status, problem = await ask(client, "GET", "/fields")
    assert (status, problem["errors"]) == (422, [{"pointer": "#/a", "detail": "wrong"}])
    async with client.get("/later") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


@pytest.fixture
def guarded(table):
    """Routes with rules; what got through to the handlers is in `reached`."""
    table.reached = []

    @table.post("/rooms/{room}", allow=(owner_of_room, admin, internal("snapshots")), summary="Owner's")
    async def room(*, path: RoomPath, query: Query, body: Body, caller: Caller) -> None:
        table.reached.append(caller.key_id if isinstance(caller, Internal) else caller.claims.sub)

    @table.post("/auctions/{id}", allow=(owner_of_room,), summary="Owner's")
    async def auction(*, path: AuctionPath) -> None:
        table.reached.append(path.room)

    return table


async def test_owner_admin_and_service_get_in_and_others_do_not(guarded, serve, bearer, signed):
    """403 for a good credential of the wrong one, 401 for none."""
    client = await serve(guarded)
    body = {"viewerCount": 1}

    async def status(headers):
        return (await ask(client, "POST", "/rooms/auction:a1", json=body, headers=headers))[0]

    assert await status(bearer(sub="owner", auctions=["a1"])) == 200
    assert await status(bearer(sub="admin", roles=["admin"])) == 200
    assert await status(bearer(sub="other", auctions=["a2"], channels=["a1"])) == 403
    assert await status({}) == 401
    assert await status(signed("POST", "/rooms/auction:a1", b'{"viewerCount": 1}')) == 200
    assert await status(signed("POST", "/rooms/auction:a1", b'{"viewerCount": 1}', key="reader")) == 403
    assert guarded.reached == ["owner", "admin", "full"]


async def test_the_room_may_be_a_property_of_the_path(guarded, serve, bearer):
    """An auction's id names its room."""
    client = await serve(guarded)
    assert (await ask(client, "POST", "/auctions/a1", headers=bearer(auctions=["a1"])))[0] == 200
    assert (await ask(client, "POST", "/auctions/a2", headers=bearer(auctions=["a1"])))[0] == 403
    assert guarded.reached == ["auction:a1"]


async def test_a_stranger_learns_nothing_about_path_query_or_body(guarded, serve, bearer):
    """401 comes before everything, 403 before query and body."""
    client = await serve(guarded)
    bad = {"data": b"{", "headers": {"Content-Type": "text/html"}}
    assert (await ask(client, "POST", "/rooms/nonsense?x=1", **bad))[0] == 401
    assert (await ask(client, "POST", "/rooms/auction:a1?x=1", data=b"{", headers=bearer()))[0] == 403
    owner = bearer(auctions=["a1"])
    assert (await ask(client, "POST", "/rooms/auction:a1?x=1", data=b"{", headers=owner))[0] == 422
    assert (await ask(client, "POST", "/rooms/auction:a1", data=b"{", headers=owner))[0] == 415
    assert guarded.reached == []


async def test_a_wrong_credential_is_refused_where_anyone_may_come(table, serve):
    """It is not downgraded to a guest; only unchecked routes do not look."""

    @table.get("/guests", allow=(anyone,), summary="Guests")
    async def guests() -> None:
        return None

    @table.get("/health", allow=(unchecked,), summary="Unchecked")
    async def health() -> None:
        return None

    client = await serve(table)
    headers = {"Authorization": "Bearer a.b.c"}
    assert (await ask(client, "GET", "/guests", headers=headers))[0] == 401
    assert (await ask(client, "GET", "/health", headers=headers))[0] == 200


def declare(handler, path="/"):
    return lambda: RouteTable("wrong").post(path, allow=(anyone,), summary="Wrong")(handler)


async def no_result(*, body: Body): ...
async def no_type(*, body) -> None: ...
async def no_model(*, query: int) -> None: ...
async def other_path(*, path: RoomPath) -> None: ...


class Plain(BaseModel):
    id: str


async def two_names(*, path: Plain) -> None: ...


@pytest.mark.parametrize(
    "declaration",
    [
        declare(no_result), declare(no_type), declare(no_model), declare(other_path, "/{id}"), declare(other_path),
        declare(two_names, "/{id}/{room}"),
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_work_is_found_when_it_is_made(declaration):
    """Not by the first request."""
    with pytest.raises(TypeError):
        declaration()


async def test_a_service_that_is_missing_is_found_when_the_program_starts(table, serve):
    """The message names the route and the type."""

    @table.get("/things", allow=(anyone,), summary="Needs a store")
    async def handler(*, store: Store) -> None: ...

    with pytest.raises(TypeError, match="GET /things needs a Store"):
        await serve(table)


def test_a_table_without_its_internal_routes(guarded):
    """What is left for a public address."""

    @guarded.get("/internal", allow=(internal("read"),), summary="Internal")
    async def handler() -> None: ...

    assert [route.path for route in guarded.without_internal().routes] == ["/rooms/{room}", "/auctions/{id}"]
