"""Starts that come at once, and the token by which a socket goes on with a session that HTTP began."""

import asyncio

from backend_api.contract.session_tokens import check, token_secrets
from backend_api.contract.signing import derive_key
from backend_api.contract.wire import at, rfc3339
from tests.backend_api.program import API_KEY

ANN = {"sub": "ann", "roles": ["user"]}
TRACK = "/api/study-sessions/stream-duration"


async def track(api, action, call="c9"):
    return await api.data("POST", TRACK, {"userId": "ann", "callId": call, "action": action}, claims=ANN)


async def sessions(api):
    return (await api.data("GET", "/api/study-sessions", claims=ANN))["sessions"]


async def test_starts_at_once_are_one_session(api):
    """A page that is opened twice, or says it twice; after the end another start is another session."""
    for number in range(1, 4):
        begun = await asyncio.gather(*(track(api, "start") for _ in range(4)))
        assert len({one["id"] for one in begun}) == 1
        api.clock.at += 20
        await track(api, "end")
        found = await sessions(api)
        assert [(one["status"], one["durationSeconds"]) for one in found] == [("completed", 20)] * number
        api.clock.at += 86_400 if number == 2 else 100
    assert len({one["id"] for one in found}) == 3


async def lease(api):
    now = rfc3339(at(api.clock()))
    await api.data("POST", "/internal/v1/nodes", {"node": "n1", "boot": 1, "at": now, "completeThrough": now})


async def socket(api, session_id, start, end=None):
    """What a node reports of a socket that carries a session."""
    closed = {} if end is None else {"closedAt": rfc3339(at(end)), "reason": "disconnect"}
    interval = {
        "kind": "study", "sessionId": session_id, "intervalId": "i1", "node": "n1", "boot": 1, "version": 1 + bool(end),
        "startedAt": rfc3339(at(start)), "lastSeenAt": rfc3339(at(end or start)), "userId": "ann", "callId": "c9",
    }  # fmt: skip
    await api.data("POST", "/internal/v1/sessions", {"intervals": [interval | closed]})


async def test_a_socket_goes_on_with_what_http_began(api):
    """The start answers the session's token, and with a last beat at the change nothing is missing between the two."""
    base = api.clock()
    begun = await track(api, "start")
    claims = check(token_secrets([derive_key(API_KEY)]), begun["sessionToken"])
    assert (claims.kind, claims.session_id, claims.subject, claims.target) == ("study", begun["id"], "u:ann", ("c9",))
    for seconds in (45, 40):
        api.clock.at += seconds
        await lease(api)
        assert (await track(api, "start"))["sessionToken"] == begun["sessionToken"]
    await socket(api, begun["id"], base + 85)
    for _ in range(4):
        api.clock.at += 25
        await lease(api)
    await socket(api, begun["id"], base + 85, base + 185)
    for _ in range(10):
        api.clock.at += 20
        await lease(api)
    (session,) = await sessions(api)
    assert (session["durationSeconds"], session["status"]) == (185, "completed")
    assert "sessionToken" not in {name for name, value in (await track(api, "end")).items() if value}
