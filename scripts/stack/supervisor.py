"""Holds the programs of the local stack: in which order they start, the watch over them, in which order they stop."""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import aiohttp

from scripts.stack import plan
from scripts.stack.folder import left_behind
from scripts.stack.keyring import Keyring
from scripts.stack.mongo import start_mongo
from scripts.stack.processes import Child, StackError
from scripts.stack.redis import find_redis, start_redis

READY_SECONDS = 60.0
SHARED_LOOKS, LOOK_SECONDS = 40, 0.25
"""How often it is asked whether the presence processes found each other before it is said that they did not."""


class Stack:
    """The programs that run, first started first."""

    def __init__(
        self, configured: plan.Configured, ports: plan.Ports, *, keyring: Keyring, data: Path, config: Path | None
    ) -> None:
        self._configured = configured
        self._ports = ports
        self._addresses = plan.addresses(configured, ports)
        self._keyring = keyring
        self._data = data
        self._logs = data / "logs"
        self._config = config
        self._children: list[Child] = []
        self._presence: list[Child] = []
        self._redis: Child | None = None
        self.redis_url: str | None = None
        """The local Redis, where there is one."""

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
        """Returns when `stop` is set; raises StackError as soon as a program ends that the others need."""
        ends = {asyncio.ensure_future(child.ended()): child for child in self._children}
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stopping.done():
                await asyncio.wait((*ends, stopping), return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in ends if task.done()]:
                    self._lost(ends.pop(task), task.result())
        finally:
            stopping.cancel()
            for task in ends:
                task.cancel()

    async def close(self) -> None:
        """Last started first: presence hands its open minute to the backend, the backend writes it to the database."""
        while self._children:
            await self._children.pop().stop()

    def _lost(self, child: Child, words: str) -> None:
        """The others go on without one of several presence processes, and without the Redis between them."""
        is_one_of_several = child in self._presence and any(other.is_running for other in self._presence)
        if child is not self._redis and not is_one_of_several:
            raise StackError(f"{words}; the others were stopped")
        print(f"scripts/up: {words}; the others go on", file=sys.stderr, flush=True)

    def _keep_redis(self, child: Child) -> None:
        self._redis = child
        self._children.append(child)

    async def _start_all(self, demo: bool) -> None:
        redis = find_redis() if plan.embeds_redis(self._configured, self._ports) else None
        mongo_url = None
        if plan.embeds_mongo(self._configured):
            mongo_url = await start_mongo(self._data, self._logs, started=self._children.append)
        if redis is not None:
            self.redis_url = await start_redis(redis, self._data, self._logs, started=self._keep_redis)
        env = dict(os.environ) | plan.environment(
            self._configured, self._ports, keyring=self._keyring, data=self._data, mongo_url=mongo_url
        )
        await self._start_programs(env)
        if demo:
            await self._start_demo()

    async def _start_programs(self, env: dict[str, str]) -> None:
        processes = len(self._addresses.presence)
        for path, reports in left_behind(plan.presence_folder(self._configured, self._data), processes):
            words = f"{reports} reports wait in {path}, which {processes} presence process(es) will not send"
            print(f"scripts/up: {words}; start as many as before once", file=sys.stderr, flush=True)
        waiting = [(await self._start_program("backend", "backend_api", env), self._addresses.backend)]
        for index, url in enumerate(self._addresses.presence):
            own = plan.process_environment(
                self._configured, self._ports, index, data=self._data, redis_url=self.redis_url
            )
            name = "presence" if index == 0 else f"presence-{index + 1}"
            self._presence.append(await self._start_program(name, "presence_server", env | own))
            waiting.append((self._presence[-1], url))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            for child, url in waiting:
                await child.wait_until(partial(_is_ready, http, url), seconds=READY_SECONDS)
            if len(self._presence) > 1:
                await self._see_them_share(http)

    async def _see_them_share(self, http: aiohttp.ClientSession) -> None:
        """Say so where they do not find each other soon."""
        for _ in range(SHARED_LOOKS):
            if (trouble := await _trouble(http, self._addresses.presence)) is None:
                return
            await asyncio.sleep(LOOK_SECONDS)
        words = f"the presence processes do not share their counts yet: {trouble}"
        print(f"scripts/up: {words}", file=sys.stderr, flush=True)

    async def _start_demo(self) -> None:
        where = self._addresses
        arguments = ["--backend", where.backend, "--path", where.socket_path]
        arguments += ["--transports", *plan.transports(self._configured), "--presence", *where.presence]
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


async def _trouble(http: aiohttp.ClientSession, urls: Sequence[str]) -> str | None:
    """Why the first one that says so counts alone; None where none does."""
    for url in urls:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(f"{url}/readyz") as answer:
                said = await answer.json()
                if "redis" in said.get("reasons", {}):
                    return str(said["reasons"]["redis"])
    return None


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
