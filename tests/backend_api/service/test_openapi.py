"""The document that a program writes about itself: valid, complete, and true to what the program does."""

import pytest
from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator

from backend_api.contract.rooms import Room
from backend_api.contract.snapshots import History, RoomPart, Saved
from backend_api.contract.wire import Timestamp, Wire
from backend_api.service.access import admin, anyone, internal, owner_of_room, unchecked
from backend_api.service.csv import Csv
from backend_api.service.documentation import documented
from backend_api.service.health import Health, health_table
from backend_api.service.openapi import document
from backend_api.service.routes import RouteTable


class RoomPath(Wire):
    """A room."""

    room: Room


class Query(Wire):
    since: Timestamp
    limit: int = 10


@pytest.fixture
def table():
    table = RouteTable("rooms")

    @table.get("/rooms/{room}", allow=(owner_of_room, admin, internal("read")), summary="A room's history")
    async def read(*, path: RoomPath, query: Query) -> History:
        raise AssertionError

    @table.post("/rooms/{room}", allow=(internal("snapshots"),), summary="Save", status=201)
    async def save(*, path: RoomPath, body: RoomPart) -> Saved:
        raise AssertionError

    @table.post("/beacon", allow=(anyone,), summary="A beacon", beacon=True, bare=True)
    async def beacon(*, body: list[RoomPart]) -> dict[str, int]:
        raise AssertionError

    @table.get("/rooms/{room}/table.csv", allow=(admin,), summary="A table")
    async def table_of(*, path: RoomPath) -> Csv:
        raise AssertionError

    @table.post("/hook", allow=(unchecked,), summary="A webhook")
    async def hook(*, body: bytes) -> None:
        return None

    @table.get("/static/{name:.+}", allow=(unchecked,), summary="A file")
    async def file() -> web.Response:
        raise AssertionError

    return table


@pytest.fixture
def tables(table, metrics):
    return documented("Things", "1.2.3", [table, health_table(Health({}), metrics)])


@pytest.fixture
def described(tables):
    return document("Things", "1.2.3", tables)


def test_the_document_is_valid_openapi_3_1(described):
    """By the specification's own schema, references and path parameters included."""
    OpenAPIV31SpecValidator(described).validate()


def test_every_route_is_in_it(described, tables):
    """And nothing else."""
    declared = {(route.template, route.method.lower()) for table in tables for route in table.routes}
    written = {(path, method) for path, methods in described["paths"].items() for method in methods}
    assert declared == written
    assert ("/static/{name}", "get") in declared


def test_parameters_are_named_and_typed_as_on_the_wire(described):
    """From the same models that check them."""
    parameters = {item["name"]: item for item in described["paths"]["/rooms/{room}"]["get"]["parameters"]}
    assert parameters["room"]["schema"]["pattern"].startswith("^[a-z]")
    assert (parameters["since"]["in"], parameters["since"]["required"]) == ("query", True)
    assert (parameters["limit"]["required"], parameters["limit"]["schema"]["default"]) == (False, 10)
    table = described["paths"]["/rooms/{room}/table.csv"]["get"]["parameters"]
    assert [item["name"] for item in table] == ["room", "bom"]


def test_bodies_and_answers_are_described_as_they_are_sent(described):
    """Wrapped unless bare, with their own status; a beacon may be text."""
    save = described["paths"]["/rooms/{room}"]["post"]
    assert save["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/RoomPart"}
    answer = save["responses"]["201"]["content"]["application/json"]["schema"]
    assert answer["properties"]["data"] == {"$ref": "#/components/schemas/Saved"}
    assert answer["required"] == ["success", "data"]
    beacon = described["paths"]["/beacon"]["post"]
    assert set(beacon["requestBody"]["content"]) == {"application/json", "text/plain"}
    assert "success" not in str(beacon["responses"]["200"]["content"])
    assert set(described["paths"]["/rooms/{room}/table.csv"]["get"]["responses"]["200"]["content"]) == {"text/csv"}
    assert "viewerCount" in described["components"]["schemas"]["RoomPart"]["properties"]


def test_who_may_call_is_said(described):
    """In words, and as security schemes."""
    read = described["paths"]["/rooms/{room}"]["get"]
    assert read["description"] == "Allowed: owner of the room, admin, internal (read)."
    assert read["security"] == [{"bearer": []}, {"plainKey": []}, {"signed": []}]
    assert {} in described["paths"]["/beacon"]["post"]["security"]
    assert described["paths"]["/livez"]["get"]["security"] == []
    schemes = described["components"]["securitySchemes"]
    assert all(set(need) <= set(schemes) for need in read["security"])


async def test_the_program_serves_its_document_and_a_page_that_shows_it(serve, tables, described):
    """Without anything from elsewhere."""
    client = await serve(*tables)
    async with client.get("/openapi.json") as answer:
        assert await answer.json() == described
    pages = {"/docs": "text/html", "/docs/docs.js": "text/javascript", "/docs/docs.css": "text/css"}
    for path, media_type in pages.items():
        async with client.get(path) as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (200, media_type)
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "://" not in text
            assert "<style" not in text
            assert "innerHTML" not in text
    async with client.get("/docs/docs.html") as answer:
        assert answer.status == 422


async def test_what_is_left_out_of_a_table_is_left_out_of_its_document(serve, table):
    """A public address neither serves nor mentions internal routes."""
    client = await serve(*documented("Things", "1", [table.without_internal()]))
    async with client.get("/openapi.json") as answer:
        assert "post" not in (await answer.json())["paths"]["/rooms/{room}"]
    async with client.post("/rooms/auction:a") as answer:
        assert answer.status == 405
