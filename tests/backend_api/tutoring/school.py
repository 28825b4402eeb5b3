"""A backend with people who teach and learn; a double of Telegram. As plain functions, for fixtures of either loop."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.backend_api.program import in_pieces

MEETING = "https://zoom.us/j/1234567890?pwd=secret"


class Telegram:
    """A double of the Bot API's sendMessage: keeps what came, answers what it is told to."""

    def __init__(self):
        self.messages, self.answers = [], []
        self.pause_seconds = 0.0

    async def handle(self, request):
        self.messages.append((request.match_info["token"], await request.json()))
        await asyncio.sleep(self.pause_seconds)
        if self.answers:
            status, body = self.answers.pop(0)
            return await in_pieces(request, body, status)
        return await in_pieces(request, {"ok": True, "result": {"message_id": len(self.messages)}})


@asynccontextmanager
async def telegrams():
    """The double, served."""
    double = Telegram()
    app = web.Application()
    app.router.add_post("/bot{token}/sendMessage", double.handle)
    async with TestServer(app) as server:
        double.url = str(server.make_url("")).rstrip("/")
        yield double


async def school(start_backend, telegram):
    """A backend with a bot, a teacher, two students and a package."""
    api = await start_backend(
        public_url="https://lessons.test",
        telegram={"bot_token": "123456:a-bot-token-of-tests", "base_url": telegram.url},
    )
    await register(api)
    return api


async def register(api):
    package = {
        "name": "Hours",
        "rate": "40",
        "rateUnit": "hour",
        "currency": "EUR",
        "rounding": "up",
        "blockMinutes": 15,
    }
    await api.data("PUT", "/api/teachers/t1", {"name": "Tara"})
    await api.data("PUT", "/api/admin/packages/hours", package)
    await api.data(
        "PUT", "/api/students/s1", {"name": "Sam", "chatId": "4711", "teacherIds": ["t1"], "packageId": "hours"}
    )
    await api.data("PUT", "/api/students/s2", {"name": "Sue", "teacherIds": ["t2"]})
