"""The demo's school: a teacher sends links, students hold short lessons, learners sit in study calls."""

import asyncio
import contextlib
import random
import time
from typing import Any, NamedTuple

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from scripts.stack.links import DEMO_LEARNER, DEMO_TEACHER
from scripts.stack.tokens import mint

STUDENTS = {"sam": "Sam Okafor", "mia": "Mia Larsen", "leo": "Leo Marchetti"}
PACKAGE = {
    "name": "Lessons by the hour", "rate": "40", "rateUnit": "hour", "currency": "EUR", "rounding": "up",
    "blockMinutes": 15, "minimumMinutes": 15,
}  # fmt: skip
LEARNERS = (DEMO_LEARNER, "demo-learner-2")
LESSON_SECONDS = (90.0, 600.0)
CALL_SECONDS = (60.0, 400.0)
PAUSE_SECONDS = (10.0, 60.0)
TOKEN_SECONDS = 3_600
PATIENCE_SECONDS = 10
"""A machine that starts all this at once needs longer to answer than the single second that the library gives it."""


class Sockets(NamedTuple):
    """Where the presence processes are, and what they speak."""

    urls: tuple[str, ...]
    path: str
    transports: tuple[str, ...]

    def choose(self, dice: random.Random) -> dict[str, Any]:
        """How a client connects to any of them."""
        where = {"url": dice.choice(self.urls), "socketio_path": self.path, "transports": list(self.transports)}
        return where | {"wait_timeout": PATIENCE_SECONDS}


class School(NamedTuple):
    """Where the programs are, and what opens them."""

    backend: str
    sockets: Sockets
    api_key: str
    token_secret: str

    async def ask(self, method: str, path: str, body: object) -> dict[str, Any]:
        """The data of an answer, asked as a service."""
        headers = {"X-Internal-Request": self.api_key}
        async with (
            aiohttp.ClientSession(self.backend, raise_for_status=True) as http,
            http.request(method, path, json=body, headers=headers) as response,
        ):
            data: dict[str, Any] = (await response.json())["data"]
            return data

    async def register(self) -> None:
        """Teacher, package, students."""
        await self.ask("PUT", f"/api/teachers/{DEMO_TEACHER}", {"name": "Tara Nowak"})
        await self.ask("PUT", "/api/admin/packages/demo-hours", PACKAGE)
        for student, name in STUDENTS.items():
            info = {"name": name, "teacherIds": [DEMO_TEACHER], "packageId": "demo-hours"}
            await self.ask("PUT", f"/api/students/{student}", info)

    async def hold_lesson(self, student: str, dice: random.Random) -> None:
        """A link, its page, the lesson, its end."""
        body = {"link": "https://zoom.us/j/5550100", "teacherId": DEMO_TEACHER}
        link = await self.ask("POST", f"/api/teachers/students/{student}/zoom", body)
        token = link["trackingToken"]
        await asyncio.sleep(dice.uniform(3, 20))
        await self.ask("POST", "/api/zoom/start", {"token": token})
        await self._stay("/tutoring", {"trackingToken": token}, LESSON_SECONDS, dice)

    async def study(self, learner: str, dice: random.Random) -> None:
        """A stay in one of a few calls."""
        token = mint(self.token_secret, {"sub": learner}, now=time.time(), ttl_seconds=TOKEN_SECONDS)
        auth = {"token": token, "callId": f"study-room-{dice.randint(1, 3)}"}
        await self._stay("/study", auth, CALL_SECONDS, dice)

    async def _stay(
        self, namespace: str, auth: dict[str, str], within_seconds: tuple[float, float], dice: random.Random
    ) -> None:
        client = socketio.AsyncClient(reconnection=False)
        try:
            await client.connect(**self.sockets.choose(dice), auth=auth, namespaces=[namespace])
            await asyncio.sleep(dice.uniform(*within_seconds))
            await client.call("end", namespace=namespace, timeout=5)
        finally:
            await client.disconnect()


async def student(school: School, name: str, seed: int) -> None:
    """Lesson after lesson."""
    dice = random.Random(2_000 + seed)  # noqa: S311 - nobody's secret
    await asyncio.sleep(3.0 * seed)
    while True:
        with contextlib.suppress(SocketIOError, aiohttp.ClientError, OSError, TimeoutError):
            await school.register()
            await school.hold_lesson(name, dice)
        await asyncio.sleep(dice.uniform(*PAUSE_SECONDS))


async def learner(school: School, name: str, seed: int) -> None:
    """Call after call."""
    dice = random.Random(3_000 + seed)  # noqa: S311 - nobody's secret
    while True:
        with contextlib.suppress(SocketIOError, aiohttp.ClientError, OSError, TimeoutError):
            await school.study(name, dice)
        await asyncio.sleep(dice.uniform(*PAUSE_SECONDS))
