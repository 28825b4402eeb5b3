"""What the tests of lessons say over HTTP, as whom."""

from backend_api.contract.wire import at, rfc3339

MEETING = "https://zoom.us/j/1234567890?pwd=secret"
ADMIN = {"sub": "boss", "roles": ["admin"]}
TEACHER = {"sub": "u-t1", "roles": ["teacher"], "teacherId": "t1"}
OTHER_TEACHER = {"sub": "u-t2", "roles": ["teacher"], "teacherId": "t2"}
SEND = "/api/teachers/students/s1/zoom"
SESSIONS = "/api/admin/teacher-sessions"


async def sessions(api, query=""):
    return (await api.data("GET", SESSIONS + query, claims=ADMIN))["sessions"]


async def track(api, action, token, **fields):
    return await api("POST", f"/api/zoom/{action}", {"token": token} | fields, key=None)


def interval(link_id, start, end=None, *, reason="disconnect", name="i1", boot=1):
    """The report of a socket of the lesson's page, open or closed."""
    done = {} if end is None else {"closedAt": rfc3339(at(end)), "reason": reason}
    return {
        "kind": "tutoring", "sessionId": link_id, "intervalId": name, "node": "n1", "boot": boot,
        "version": 1 if end is None else 2, "startedAt": rfc3339(at(start)),
        "lastSeenAt": rfc3339(at(start if end is None else end)), "linkId": link_id, **done,
    }  # fmt: skip


async def report(api, *intervals):
    """What became of each."""
    return (await api.data("POST", "/internal/v1/sessions", {"intervals": list(intervals)}))["results"]


async def lease(api, ahead=0, boot=1):
    """The node's lease, by a clock that is so far ahead."""
    now = rfc3339(at(api.clock() + ahead))
    return await api.data("POST", "/internal/v1/nodes", {"node": "n1", "boot": boot, "at": now, "completeThrough": now})


async def hold(api, make_link, seconds):
    """A lesson that lasted so long; its record."""
    link = await make_link()
    await track(api, "start", link["trackingToken"])
    api.clock.at += seconds
    assert (await track(api, "end-session", link["trackingToken"]))[0] == 200
    (found,) = [row for row in await sessions(api) if row["id"] == link["id"]]
    return found
