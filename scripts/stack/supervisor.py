"""Holds the programs of the local stack: in which order they start, the watch over them, in which order they stop."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp

from scripts.stack import plan
from scripts.stack.keyring import Keyring
from scripts.stack.mongo import start_mongo
from scripts.stack.processes import Child, StackError

READY_SECONDS = 60.0


class Stack:
    """The programs that run, first started first."""

    def __init__(
        self, configured: plan.Configured, ports: plan.Ports, *, keyring: Keyring, data: Path, config: Path | None
    ) -> None:
        self._configured = configured
        self._ports = ports
        self._keyring = keyring
        self._data = data
        self._logs = data / "logs"
        self._config = config
        self._children: list[Child] = []

    async def start(self, *, demo: bool, stop: asyncio.Event) -> bool:
        """Starts all and waits until they are ready; False when `stop` was set meanwhile."""
        starting = asyncio.ensure_future(self._start_all(demo))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return False
        await starting
        return True

    async def watch(self, stop: asyncio.Event) -> None:
        """Returns when `stop` is set; raises StackError as soon as one of the programs ends by itself."""
        ends = [asyncio.ensure_future(child.ended()) for child in self._children]
        stopping = asyncio.ensure_future(stop.wait())
        done, rest = await asyncio.wait((*ends, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        if stopping not in done:
            raise StackError(f"{done.pop().result()}; the others were stopped")

    async def close(self) -> None:
        """Last started first: presence hands its open minute to the backend, the backend writes it to the database."""
        while self._children:
            await self._children.pop().stop()

    async def _start_all(self, demo: bool) -> None:
        mongo_url = None
        if plan.embeds_mongo(self._configured):
            mongo_url = await start_mongo(self._data, self._logs, started=self._children.append)
        env = dict(os.environ) | plan.environment(
            self._configured, self._ports, keyring=self._keyring, data=self._data, mongo_url=mongo_url
        )
        backend = await self._start_program("backend", "backend_api", env)
        presence = await self._start_program("presence", "presence_server", env)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            await backend.wait_until(lambda: _is_ready(http, self._ports.backend), seconds=READY_SECONDS)
            await presence.wait_until(lambda: _is_ready(http, self._ports.presence), seconds=READY_SECONDS)
        if demo:
            backend_url, presence_url = (f"http://127.0.0.1:{port}" for port in self._ports)
            arguments = ["--presence", presence_url, "--backend", backend_url]
            # The school needs an API key and users; with the operator's own secrets it stays closed.
            if plan.uses_own_secrets(self._configured):
                arguments += ["--data", str(self._data)]
            await self._spawn("demo", ["-m", "scripts.stack.demo", *arguments], dict(os.environ))

    async def _start_program(self, name: str, package: str, env: dict[str, str]) -> Child:
        config = ["--config", str(self._config)] if self._config else []
        return await self._spawn(name, ["-m", package, *config], env)

    async def _spawn(self, name: str, arguments: list[str], env: dict[str, str]) -> Child:
        child = await Child.start(name, [sys.executable, *arguments], env=env, logs=self._logs)
        self._children.append(child)
        return child


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
