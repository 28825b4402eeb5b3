"""What the tests of lessons say over HTTP, as whom."""

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


async def hold(api, make_link, seconds):
    """A lesson that lasted so long; its record."""
    link = await make_link()
    await track(api, "start", link["trackingToken"])
    api.clock.at += seconds
    assert (await track(api, "end-session", link["trackingToken"]))[0] == 200
    (found,) = [row for row in await sessions(api) if row["id"] == link["id"]]
    return found
