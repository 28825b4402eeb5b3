"""Three kinds of real client behind the same few acts: Chromium, JavaScript in Node, Python."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlencode

from playwright.async_api import Browser

HERE = Path(__file__).parent


class BrowserClient:
    """A tab of the system's Chromium, in a context of its own."""

    def __init__(self, browser: Browser, page_url: str) -> None:
        self._browser, self._page_url = browser, page_url
        self._steps = AsyncExitStack()

    async def open(self, url: str, transports: list[str]) -> None:
        context = await self._browser.new_context()
        self._steps.push_async_callback(context.close)
        self._page = await context.new_page()
        await self._page.goto(f"{self._page_url}/?{urlencode({'url': url, 'transports': ','.join(transports)})}")
        await self._connected(transports[-1])

    async def act(self, event: str) -> dict:
        return await self._page.evaluate(f"act('{event}')")

    async def close(self) -> None:
        await self._page.evaluate("void socket.disconnect()")

    async def refresh(self, url: str, transports: list[str]) -> None:
        await self._page.reload()
        await self._connected(transports[-1])

    async def _connected(self, transport: str) -> None:
        await self._page.wait_for_function(f"window.socket?.connected && transport() === '{transport}'")

    async def stop(self) -> None:
        await self._steps.aclose()


class ProcessClient:
    """A program that holds one socket; what it says are JSON lines, `[event, answer]`."""

    def __init__(self, command: list[object], environment: dict[str, str]) -> None:
        self._command = [*map(str, command)]
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None

    async def open(self, url: str, transports: list[str]) -> None:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, url, ",".join(transports), stdin=pipe, stdout=pipe, env=self._environment
        )
        while await self._hears("transport") != transports[-1]:
            pass

    async def act(self, event: str) -> dict:
        self._tell(event)
        return await self._hears(event)

    async def close(self) -> None:
        self._tell("close")

    async def refresh(self, url: str, transports: list[str]) -> None:
        await self.stop()
        await self.open(url, transports)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _tell(self, word: str) -> None:
        self._process.stdin.write(word.encode() + b"\n")

    async def _hears(self, event: str) -> object:
        async with asyncio.timeout(30):
            while True:
                name, answer = json.loads(await self._process.stdout.readline())
                if name == event:
                    return answer


def in_node(node_modules: Path) -> ProcessClient:
    return ProcessClient(["node", HERE / "client.cjs"], {"NODE_PATH": str(node_modules)})


def in_python() -> ProcessClient:
    return ProcessClient([sys.executable, HERE / "client.py"], {})
