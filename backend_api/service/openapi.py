"""The OpenAPI 3.1 document of route tables, made from the same declarations that validate and answer. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from backend_api.contract.signing import PLAIN_KEY_HEADER, SIGNATURE_HEADER
from backend_api.service.access import anyone, unchecked
from backend_api.service.answers import Problem
from backend_api.service.routes import Route, RouteTable

Json = dict[str, Any]

_SECURITY_SCHEMES: Mapping[str, Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A user's JWT, or the internal API key."},
    "plainKey": {"type": "apiKey", "in": "header", "name": PLAIN_KEY_HEADER, "description": "The internal API key."},
    "signed": {
        "type": "apiKey",
        "in": "header",
        "name": SIGNATURE_HEADER,
        "description": "An HMAC of the request, with X-Internal-Key-Id, X-Internal-Id and X-Internal-Timestamp.",
    },
}
_PROBLEM = TypeAdapter(Problem)
_REFERENCE = "#/components/schemas/"
_REFUSALS: Mapping[str, str] = {
    "400": "Malformed",
    "401": "No credential, or a wrong one",
    "403": "Not allowed",
    "422": "Against the contract; `errors` names each field",
    "default": "Any other refusal",
}


def document(title: str, version: str, tables: Iterable[RouteTable]) -> Json:
    """The whole document; every route of the tables is in it."""
    tables = list(tables)
    routes = [(table, route) for table in tables for route in table.routes]
    schemas = Schemas([route for _, route in routes])
    paths: Json = {}
    for table, route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(table.name, route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "tags": [{"name": table.name} for table in tables],
        "paths": paths,
        "components": {"schemas": schemas.shared, "securitySchemes": dict(_SECURITY_SCHEMES)},
    }


class Schemas:
    """Every schema that the routes mention, generated at once so that what they share is written once."""

    def __init__(self, routes: Sequence[Route]) -> None:
        wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [("problem", "serialization", _PROBLEM)]
        for route in routes:
            shape = route.shape
            wanted.append((f"{route.name} result", "serialization", shape.result))
            inputs = {"body": shape.body, "path": shape.path, "query": shape.query}
            for place, taken in inputs.items():
                if taken is not None:
                    adapter = taken if isinstance(taken, TypeAdapter) else TypeAdapter(taken)
                    wanted.append((f"{route.name} {place}", "validation", adapter))
        found, shared = TypeAdapter.json_schemas(wanted, ref_template=_REFERENCE + "{model}")
        self._found = {key: schema for (key, _), schema in found.items()}
        self.shared: Json = shared.get("$defs", {})

    def of(self, key: str) -> Json:
        """A schema or a reference to it."""
        return self._found[key]

    def fields(self, key: str) -> tuple[Json, Sequence[str]]:
        """The properties of a model and the names of those that are required; none for a model that is not there."""
        schema = self._found.get(key, {})
        if "$ref" in schema:
            schema = self.shared[schema["$ref"].removeprefix(_REFERENCE)]
        return schema.get("properties", {}), schema.get("required", ())


def _operation(tag: str, route: Route, schemas: Schemas) -> Json:
    operation: Json = {
        "tags": [tag],
        "operationId": route.name,
        "summary": route.summary,
        "description": f"Allowed: {', '.join(rule.name for rule in route.allow)}.",
        "parameters": _parameters(route, schemas),
        "responses": {str(route.status): _success(route, schemas)} | _refusals(route, schemas),
        "security": _security(route),
    }
    if (body := _body(route, schemas)) is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _parameters(route: Route, schemas: Schemas) -> list[Json]:
    typed, _ = schemas.fields(f"{route.name} path")
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": typed.get(name, {"type": "string"})}
        for name in route.path_names
    ]
    fields, required = schemas.fields(f"{route.name} query")
    parameters += [
        {"name": name, "in": "query", "required": name in required, "schema": schema} for name, schema in fields.items()
    ]
    if route.shape.is_csv:
        parameters.append({"name": "bom", "in": "query", "required": False, "schema": {"enum": ["0", "1"]}})
    return parameters


def _body(route: Route, schemas: Schemas) -> Json | None:
    if route.shape.raw_body:
        return {"*/*": {}}
    if route.shape.body is None:
        return None
    schema = {"schema": schemas.of(f"{route.name} body")}
    return {"application/json": schema} | ({"text/plain": schema} if route.beacon else {})


def _success(route: Route, schemas: Schemas) -> Json:
    if route.shape.is_ready:
        return {"description": "A document"}
    if route.shape.is_csv:
        return {"description": "A table", "content": {"text/csv": {"schema": {"type": "string"}}}}
    schema = schemas.of(f"{route.name} result")
    if not route.bare:
        schema = {
            "type": "object",
            "properties": {"success": {"const": True}, "data": schema},
            "required": ["success", "data"],
        }
    return {"description": "Success", "content": {"application/json": {"schema": schema}}}


def _refusals(route: Route, schemas: Schemas) -> Json:
    content: Json = {"application/problem+json": {"schema": schemas.of("problem")}}
    if route.shape.is_ready:
        content["text/html"] = {}
    return {status: {"description": text, "content": content} for status, text in _REFUSALS.items()}


def _security(route: Route) -> list[Json]:
    if unchecked in route.allow:
        return []
    schemes = dict.fromkeys(scheme for rule in route.allow for scheme in rule.schemes)
    return [{scheme: []} for scheme in schemes] + ([{}] if anyone in route.allow else [])
