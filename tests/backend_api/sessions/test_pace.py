"""How fast an address may call, over all kinds of sessions together."""

import pytest

from tests.backend_api.program import start_backend

__all__ = ["start_backend"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/api/zoom/start", {"token": "x"}, 401), ("/api/zoom/heartbeat", {"token": "x"}, 401),
     ("/api/zoom/end-session", {"token": "x"}, 401), ("/listening-sessions", {"channelId": "c1"}, 201),
     ("/listening-sessions/none/end", {"sessionToken": "x"}, 401),
     ("/api/study-sessions/stream-duration", {"userId": "u1", "callId": "c", "action": "start"}, 200)],
)  # fmt: skip
async def test_an_address_that_calls_too_fast_is_told_to_wait(start_backend, path, body, status):
    """429 with Retry-After beyond the burst; another address is served; later it goes on."""
    limits = {"calls_per_second": 0.5, "calls_at_once": 10}
    api = await start_backend(sessions=limits, trusted_proxies=["127.0.0.0/8"])
    claims = {"sub": "u1"} if "study" in path else None

    async def call(address):
        return (await api("POST", path, body, claims=claims, key=None, headers={"X-Forwarded-For": address}))[0]

    assert [await call("192.0.2.1") for _ in range(12)] == [status] * 10 + [429] * 2
    assert api.headers["Retry-After"] == "2"
    assert await call("192.0.2.2") == status
    api.clock.at += 2
    assert [await call("192.0.2.1") for _ in range(2)] == [status, 429]


async def test_services_of_ours_are_not_counted(start_backend):
    """They call for many people from one address."""
    api = await start_backend(sessions={"calls_per_second": 0.5, "calls_at_once": 10})
    for number in range(15):
        body = {"userId": f"u{number}", "callId": "c", "action": "start"}
        assert (await api("POST", "/api/study-sessions/stream-duration", body))[0] == 200
