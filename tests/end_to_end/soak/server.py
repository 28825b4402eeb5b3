"""A presence server as a process of its own, and what can be seen of it from outside."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.end_to_end.running import ROOT, free_port
from tests.presence_server.helpers import API_KEY, TOKEN_SECRET, serving_backend


class Figures(NamedTuple):
    """What a process holds: resident memory in KiB, open descriptors, asyncio tasks, sockets, rooms."""

    memory_kib: int
    descriptors: int
    tasks: int
    connections: int
    rooms: int


class Server:
    """Its address and its process."""

    def __init__(self, port: int, process: asyncio.subprocess.Process, http: aiohttp.ClientSession) -> None:
        self.port = port
        self._process = process
        self._http = http
        self._url = f"http://127.0.0.1:{port}"

    async def ready(self) -> None:
        async with asyncio.timeout(30):
            while not await self._is_ready():
                assert self._process.returncode is None, f"the server ended with {self._process.returncode}"
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        try:
            async with self._http.get(f"{self._url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def figures(self) -> Figures:
        async with self._http.get(f"{self._url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        told = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
        folder = Path(f"/proc/{self._process.pid}")
        [memory] = [line.split()[1] for line in (folder / "status").read_text().splitlines() if line[:6] == "VmRSS:"]
        gauges = (told["presence_tasks"], told["presence_connections"], told["presence_rooms"])
        return Figures(int(memory), len(list((folder / "fd").iterdir())), *map(int, gauges))

    async def counts(self) -> dict[str, int]:
        """Viewers by room, all pages."""
        found: dict[str, int] = {}
        query = {"limit": "500"}
        while True:
            headers = {"X-Internal-Request": API_KEY}
            async with self._http.get(f"{self._url}/api/v1/rooms", params=query, headers=headers) as answer:
                data = (await answer.json())["data"]
            found |= {room["room"]: room["viewerCount"] for room in data["rooms"]}
            if data.get("nextCursor") is None:
                return found
            query["cursor"] = data["nextCursor"]


@asynccontextmanager
async def serving(folder: Path, sockets: int, ping_seconds: tuple[float, float]):
    """A presence server that lets so many sockets in from one address; `ping_seconds` are interval and timeout."""
    port = free_port()
    async with serving_backend() as backend, aiohttp.ClientSession() as http:
        settings = {
            "PRESENCE__PORT": str(port),
            "PRESENCE__DATA_DIR": str(folder / "presence"),
            "PRESENCE__BACKEND__URLS": f'["{backend.url}"]',
            "PRESENCE__LIMITS__SOCKETS_PER_ADDRESS": str(2 * sockets),
            "PRESENCE__SOCKET__PING_INTERVAL_SECONDS": str(ping_seconds[0]),
            "PRESENCE__SOCKET__PING_TIMEOUT_SECONDS": str(ping_seconds[1]),
            "INTERNAL__API_KEY": API_KEY,
            "AUTH__SECRET": TOKEN_SECRET,
            "PYTHONPATH": str(ROOT),
        }
        with (folder / "presence.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "presence_server",
                env={**os.environ, **settings}, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        try:
            server = Server(port, process, http)
            await server.ready()
            yield server
        finally:
            process.terminate()
            await process.wait()
