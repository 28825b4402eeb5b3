"""Where the pages are. They hold no data of anybody: scripts ask the API for it, with the reader's token."""

from typing import get_args

from aiohttp import web

from backend_api.contract.events import TimeRange
from backend_api.contract.rooms import is_room
from backend_api.contract.wire import Wire
from backend_api.pages.render import Pages
from backend_api.pages.static_files import static_file
from backend_api.service.access import unchecked
from backend_api.service.routes import RouteTable

TIME_RANGES = ("1h", "6h", "24h", "7d", "30d", "90d", "all")
ENGAGEMENT_RANGES = get_args(TimeRange)

table = RouteTable("pages")


class RoomPage(Wire):
    """The page of a room. Any text: what is no room gets a page that says so."""

    room: str


class PlayerPage(Wire):
    """The demo player of a channel. Any text, as above."""

    channel: str


class StudyPage(Wire):
    """A learner's page."""

    user_id: str


class StaticPath(Wire):
    """A file beneath `static/`."""

    name: str


@table.get("/", allow=(unchecked,), summary="Page: what is running")
async def home(*, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "home.html")


@table.get("/live/{room}", allow=(unchecked,), summary="Page: how many are watching a room")
async def live(*, path: RoomPage, request: web.Request, pages: Pages) -> web.Response:
    return _room_page(request, pages, "live.html", path.room)


@table.get("/viewers/{room}", allow=(unchecked,), summary="Page: the viewer history of a room")
async def viewers(*, path: RoomPage, request: web.Request, pages: Pages) -> web.Response:
    return _room_page(request, pages, "viewers.html", path.room)


@table.get("/admin/stats", allow=(unchecked,), summary="Page: engagement with tracks")
async def stats(*, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "stats.html", {"ranges": ENGAGEMENT_RANGES})


@table.get("/artist/dashboard", allow=(unchecked,), summary="Page: an artist's dashboard")
async def dashboard(*, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "dashboard.html", {"ranges": ENGAGEMENT_RANGES})


@table.get("/api/zoom/track", allow=(unchecked,), summary="Page: a student's lesson; opening it starts nothing")
async def track(*, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "track.html")


@table.get("/teacher", allow=(unchecked,), summary="Page: a teacher's students and today's lessons")
async def teacher(*, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "teacher.html")


@table.get("/admin/teacher-sessions", allow=(unchecked,), summary="Page: tutoring sessions")
async def teacher_sessions(*, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "teacher_sessions.html")


@table.get("/admin/statements", allow=(unchecked,), summary="Page: what teachers' lessons of a month cost")
async def statements(*, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "statements.html")


@table.get("/station-owner/control-panel", allow=(unchecked,), summary="Page: who listens to a channel")
async def control_panel(*, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "control_panel.html")


@table.get("/demo/player/{channel}", allow=(unchecked,), summary="Page: a player to try a channel with")
async def player(*, path: PlayerPage, request: web.Request, pages: Pages) -> web.Response:
    if is_room(f"channel:{path.channel}"):
        return pages.answer(request, "player.html", {"channel": path.channel})
    detail = f"“{path.channel}” is no id of a channel."
    return pages.answer(request, "problem.html", {"title": "There is no such channel", "detail": detail}, status=404)


@table.get("/study/{userId}", allow=(unchecked,), summary="Page: a learner's hours and calls")
async def study(*, path: StudyPage, request: web.Request, pages: Pages) -> web.Response:
    return pages.answer(request, "study.html", {"user_id": path.user_id})


@table.get("/static/{name:.+}", allow=(unchecked,), summary="What pages load")
async def static(*, path: StaticPath) -> web.FileResponse:
    return static_file(path.name)


def nowhere(pages: Pages, request: web.Request) -> web.Response:
    """What a browser gets for an address that no page has."""
    detail = "No page has this address."
    return pages.answer(request, "problem.html", {"title": "There is nothing here", "detail": detail}, status=404)


def _room_page(request: web.Request, pages: Pages, template: str, room: str) -> web.Response:
    if is_room(room):
        return pages.answer(request, template, {"room": room, "ranges": TIME_RANGES})
    detail = f"“{room}” is not a room. A room is a kind and an id, such as auction:42."
    return pages.answer(request, "problem.html", {"title": "There is no such room", "detail": detail}, status=404)
