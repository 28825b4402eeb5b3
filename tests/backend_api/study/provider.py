"""A double of Stream's API and a backend that asks it. As plain functions, for fixtures of either loop."""

from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import OctKey

from backend_api.contract.wire import at, rfc3339
from tests.backend_api.program import in_pieces

KEY, SECRET = "stream-key", "the secret that Stream and we share"


class Stream:
    """What Stream knows of calls, over its API; `fails` makes it answer that status."""

    def __init__(self):
        self.calls, self.asked, self.fails, self.odd = {}, [], None, {}
        self.at_most = 25

    def app(self):
        app = web.Application()
        app.router.add_get("/api/v2/video/call/{type}/{id}", self.call)
        app.router.add_get("/api/v2/video/call/{type}/{id}/session/{session}/participant_sessions", self.participants)
        return app

    def knows(self, call_id, *, started, ended=None, stays=(), session="sess"):
        """A session of a call, its latest one; stays are (user, joined, left), in Unix seconds."""
        known = self.calls.setdefault(f"default:{call_id}", {})
        known.pop(session, None)
        known[session] = (started, ended, stays)

    async def call(self, request):
        odd = self.odd.get(request.match_info["id"])
        if odd is not None:
            self.asked.append(request.path)
            return web.json_response({"call": []}, status=200 if odd == "nonsense" else odd)
        found = self._found(request)
        if found is None:
            return web.json_response({"code": 16}, status=404)
        latest = list(found)[-1]
        started, ended, _ = found[latest]
        session = {"id": latest, "started_at": stamp(started), "ended_at": stamp(ended), "participants": []}
        return await in_pieces(
            request, {"call": {"id": request.match_info["id"], "session": session}, "duration": "8.1ms"}
        )

    async def participants(self, request):
        known = (self._found(request) or {}).get(request.match_info["session"])
        if known is None:
            return web.json_response({"code": 16}, status=404)
        first, limit = int(request.query.get("next", 0)), min(self.at_most, int(request.query["limit"]))
        rest = len(known[2]) > first + limit
        listed = [
            {"user_id": user, "user_session_id": f"{user}-{joined}", "joined_at": stamp(joined), "left_at": stamp(left),
             "duration_in_seconds": None if left is None else int(left - joined)}
            for user, joined, left in known[2][first : first + limit]
        ]  # fmt: skip
        more = {"next": str(first + limit)} if rest else {}
        return await in_pieces(request, {"participants_sessions": listed, "duration": "3.2ms"} | more)

    def _found(self, request):
        self.asked.append(request.path)
        jwt.decode(request.headers["Authorization"], OctKey.import_key(SECRET), algorithms=["HS256"])
        assert request.query["api_key"] == KEY
        if self.fails:
            raise _status(self.fails)
        return self.calls.get(f"{request.match_info['type']}:{request.match_info['id']}")


def _status(status):
    error = web.HTTPInternalServerError()
    error.set_status(status)
    return error


def stamp(seconds):
    return None if seconds is None else rfc3339(at(seconds))


@asynccontextmanager
async def streams():
    """The double, served."""
    double = Stream()
    async with TestServer(double.app()) as server:
        double.url = str(server.make_url("")).rstrip("/")
        yield double


async def backend_of_a_provider(start_backend, stream):
    return await start_backend(stream={"api_key": KEY, "api_secret": SECRET, "base_url": stream.url})
