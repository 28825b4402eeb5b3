"""Live counts over HTTP, health, metrics, the document."""

import aiohttp
import pytest

from tests.presence_server.helpers import API_KEY, token, until

INTERNAL = {"X-Internal-Request": API_KEY}


def bearer(**claims: object) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**claims)}"}


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def _get(http, url: str, **headers: str):
    async with http.get(url, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_room_and_the_rooms_with_a_prefix_are_counted(presence, page, http):
    """By name, in pages; an unknown room is an empty one."""
    for number in (1, 2, 2, 3):
        await (await page().open(presence.url)).join(f"auction:{number}")
    await (await page().open(presence.url)).join("channel:1")
    base = f"{presence.url}/api/v1/rooms"
    status, answer = await _get(http, f"{base}/auction:2", **INTERNAL)
    assert (status, answer["data"]) == (
        200, {"room": "auction:2", "viewerCount": 2, "uniqueViewers": 2, "activeViewers": 2},
    )  # fmt: skip
    assert (await _get(http, f"{base}/auction:9", **INTERNAL))[1]["data"]["viewerCount"] == 0
    _, first = await _get(http, f"{base}?prefix=auction:&limit=2", **INTERNAL)
    assert [room["room"] for room in first["data"]["rooms"]] == ["auction:1", "auction:2"]
    _, rest = await _get(http, f"{base}?prefix=auction:&limit=2&cursor={first['data']['nextCursor']}", **INTERNAL)
    assert [room["room"] for room in rest["data"]["rooms"]] == ["auction:3"]
    assert rest["data"]["nextCursor"] is None


WHO = [
    ({}, 401, 401),
    ({"Authorization": "Bearer x"}, 401, 401),
    (bearer(), 403, 403),
    (bearer(auctions=["other"]), 403, 403),
    (bearer(auctions=["demo"]), 403, 200),
    (bearer(roles=["admin"]), 200, 200),
    (INTERNAL, 200, 200),
]


@pytest.mark.parametrize(("headers", "rooms", "room"), WHO)
async def test_counts_are_for_services_and_admins_and_one_room_for_its_owner(presence, http, headers, rooms, room):
    """Nobody else."""
    assert (await _get(http, f"{presence.url}/api/v1/rooms", **headers))[0] == rooms
    assert (await _get(http, f"{presence.url}/api/v1/rooms/auction:demo", **headers))[0] == room


@pytest.mark.parametrize("path", ["rooms?prefix=$ne", "rooms?limit=0", "rooms?limit=501", "rooms?nope=1", "rooms/demo"])
async def test_what_is_malformed_is_a_problem(presence, http, path):
    """422 with a pointer."""
    status, problem = await _get(http, f"{presence.url}/api/v1/{path}", **INTERNAL)
    assert status == 422
    assert problem["errors"]


async def test_it_is_ready_until_it_drains_or_the_outbox_refuses(presence, http):
    """With the reason; the process is alive all the while."""
    assert (await _get(http, f"{presence.url}/readyz"))[0] == 200
    presence.outbox.trouble = "outbox: database or disk is full"
    status, answer = await _get(http, f"{presence.url}/readyz")
    assert (status, answer["reasons"]) == (503, {"outbox": "outbox: database or disk is full"})
    presence.health.drain()
    assert (await _get(http, f"{presence.url}/readyz"))[1]["reasons"] == {"process": "draining"}
    assert (await _get(http, f"{presence.url}/livez"))[0] == 200


async def test_metrics_follow_what_they_measure(presence, page, http):
    """Connections and rooms, and the outbox."""

    async def metric(name: str) -> float:
        async with http.get(f"{presence.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

    visitor = await page().open(presence.url)
    await visitor.join()
    assert (await metric("presence_connections"), await metric("presence_rooms")) == (1, 1)
    await visitor.client.disconnect()
    await until(lambda: presence.counter.connections == 0)
    assert (await metric("presence_connections"), await metric("presence_rooms")) == (0, 0)
    assert await metric("presence_outbox_reports") == 0


async def test_the_document_lists_what_is_served(presence, http):
    """OpenAPI 3.1, from the routes themselves."""
    status, document = await _get(http, f"{presence.url}/openapi.json")
    assert (status, document["openapi"][:3]) == (200, "3.1")
    assert {"/api/v1/rooms", "/api/v1/rooms/{room}", "/livez", "/readyz", "/metrics"} <= document["paths"].keys()
