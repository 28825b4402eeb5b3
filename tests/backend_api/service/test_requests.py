"""What a route makes of a query, a path and a body that fit, do not fit, or cannot be read."""

from datetime import datetime
from typing import Annotated

import pytest
from aiohttp import web
from pydantic import Field

from backend_api.contract.rooms import Room
from backend_api.contract.wire import Timestamp, Wire
from backend_api.service.access import anyone, unchecked
from backend_api.service.routes import RouteTable


class RoomPath(Wire):
    room: Room


class Query(Wire):
    time_range: Annotated[str, Field(max_length=3)] = "all"
    limit: int = 10
    active: bool = False
    since: Timestamp | None = None


class Slot(Wire):
    low: Annotated[int, Field(strict=True)]


class Body(Wire):
    viewer_count: Annotated[int, Field(ge=0, strict=True)]
    slots: tuple[Slot, ...] = ()


async def ask(client, method, path, **options):
    async with client.request(method, path, **options) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.fixture
def table():
    return RouteTable("things")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=many", "#/limit"), ("limit=", "#/limit"), ("timeRange=forever", "#/timeRange"),
        ("since=now", "#/since"),
        ("active=perhaps", "#/active"), ("size=1", "#/size"), ("limit=1&limit=1", "#/limit"), ("a~/b=1", "#/a~0~1b"),
    ],
)  # fmt: skip
async def test_a_query_that_does_not_fit_names_the_field(table, serve, query, pointer):
    """Wrong values, unknown fields and repeated ones: 422."""

    @table.get("/", allow=(anyone,), summary="Asks")
    async def handler(*, query: Query) -> None:
        raise AssertionError(query)

    status, problem = await ask(await serve(table), "GET", f"/?{query}")

    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


async def test_values_of_a_query_are_read_by_their_type(table, serve):
    """Numbers, booleans, times; names as on the wire."""
    seen = []

    @table.get("/", allow=(anyone,), summary="Asks")
    async def handler(*, query: Query) -> None:
        seen.append(query)

    status, _ = await ask(
        await serve(table), "GET", "/?limit=5&active=1&timeRange=24h&since=2026-11-21T11:30:00%2B01:00"
    )

    assert status == 200
    assert seen == [Query(limit=5, active=True, time_range="24h", since=datetime.fromisoformat("2026-11-21T10:30:00Z"))]


async def test_a_route_without_a_query_takes_none(table, serve):
    """A misspelt or misplaced parameter is never silently ignored; a page, reached by links, does not mind."""

    @table.get("/api", allow=(anyone,), summary="JSON")
    async def api() -> None:
        return None

    @table.get("/page", allow=(unchecked,), summary="A page")
    async def page() -> web.Response:
        return web.Response(text="here")

    client = await serve(table)
    status, problem = await ask(client, "GET", "/api?timeRange=1h")
    assert (status, problem["errors"]) == (422, [{"pointer": "#/timeRange", "detail": "unknown"}])
    async with client.get("/page?utm_source=mail&utm_source=mail") as answer:
        assert answer.status == 200


async def test_a_path_that_does_not_fit_names_the_field(table, serve):
    """`rooms/nonsense` is no room."""

    @table.get("/rooms/{room}", allow=(anyone,), summary="A room")
    async def handler(*, path: RoomPath) -> None:
        raise AssertionError(path)

    status, problem = await ask(await serve(table), "GET", "/rooms/nonsense")

    assert (status, problem["errors"][0]["pointer"]) == (422, "#/room")


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        ('{"viewerCount": 1}', 200, None),
        ("", 400, None), ("{", 400, None), ('{"viewerCount": 1} x', 400, None), ("\ufeff{}", 400, None),
        ("{}", 422, ["#/viewerCount"]), ('{"viewerCount": "1"}', 422, ["#/viewerCount"]),
        ('{"viewerCount": -1}', 422, ["#/viewerCount"]), ('{"viewerCount": {"$gt": 0}}', 422, ["#/viewerCount"]),
        ('{"viewerCount": 1, "$where": "1", "a.b": 1}', 422, ["#/$where", "#/a.b"]), ("[]", 422, ["#"]),
        ("1", 422, ["#"]),
        ('{"viewerCount": 1, "slots": [{"low": 1}, {"low": "x"}, {}]}', 422, ["#/slots/1/low", "#/slots/2/low"]),
        ('{"viewerCount": 1' + "0" * 400 + "}", 200, None), ('{"viewerCount": 1e999}', 422, ["#/viewerCount"]),
    ],
)  # fmt: skip
async def test_a_body_is_malformed_or_names_each_field_at_fault(table, serve, body, status, pointers):
    """400 for what is no JSON, 422 with pointers for what is not what the route takes."""

    @table.post("/", allow=(anyone,), summary="Sends")
    async def handler(*, body: Body) -> None:
        return None

    got, problem = await ask(
        await serve(table), "POST", "/", data=body.encode(), headers={"Content-Type": "application/json"}
    )

    assert got == status
    assert [error["pointer"] for error in problem.get("errors", ())] == (pointers or [])


async def test_a_body_with_many_faults_is_explained_in_bounds(table, serve):
    """Fifty explanations and how many there are."""

    @table.post("/", allow=(anyone,), summary="Sends")
    async def handler(*, body: list[Slot]) -> None:
        raise AssertionError

    status, problem = await ask(await serve(table), "POST", "/", json=[{}] * 1_000)

    assert (status, len(problem["errors"])) == (422, 50)
    assert "50 of 1000" in problem["detail"]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200), ("application/json; charset=utf-8", 200), ("application/vnd.x+json", 200),
        ("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("multipart/form-data", 415),
        ("nonsense", 415),
    ],
)  # fmt: skip
async def test_a_body_is_json_and_says_so(table, serve, content_type, status):
    """Only a beacon may call it text."""

    @table.post("/api", allow=(anyone,), summary="Sends")
    async def api(*, body: Body) -> None:
        return None

    @table.post("/beacon", allow=(anyone,), summary="Sends", beacon=True)
    async def beacon(*, body: Body) -> None:
        return None

    client = await serve(table)
    options = {"data": b'{"viewerCount": 1}', "headers": {"Content-Type": content_type}}
    assert (await ask(client, "POST", "/api", **options))[0] == status
    assert (await ask(client, "POST", "/beacon", **options))[0] == (200 if content_type == "text/plain" else status)


async def test_a_raw_body_reaches_the_handler_as_it_came(table, serve):
    """For webhooks, whose signature covers the bytes: whatever type and coding they have."""
    seen = []

    @table.post("/hook", allow=(unchecked,), summary="A webhook", bare=True)
    async def handler(*, body: bytes) -> dict[str, bool]:
        seen.append(body)
        return {"ok": True}

    client = await serve(table)
    options = {"data": b"\x1f\x8b\xff", "headers": {"Content-Encoding": "gzip", "Authorization": "anything"}}
    assert await ask(client, "POST", "/hook", **options) == (200, {"ok": True})
    assert seen == [b"\x1f\x8b\xff"]


async def test_a_body_has_the_size_its_route_says(table, serve):
    """One byte more is 413, announced or in chunks."""

    @table.post("/", allow=(anyone,), summary="Sends", max_body_bytes=100)
    async def handler(*, body: str) -> int:
        return len(body)

    client = await serve(table)
    headers = {"Content-Type": "application/json"}

    async def in_chunks(size):
        yield b'"' + b"x" * (size - 2)
        yield b'"'

    assert (await ask(client, "POST", "/", data=b'"' + b"x" * 98 + b'"', headers=headers))[1]["data"] == 98
    assert (await ask(client, "POST", "/", data=in_chunks(100), headers=headers))[0] == 200
    assert (await ask(client, "POST", "/", data=b'"' + b"x" * 99 + b'"', headers=headers))[0] == 413
    assert (await ask(client, "POST", "/", data=in_chunks(101), headers=headers))[0] == 413
