"""The real programs for the end-to-end tests: `scripts/up` as a whole, or one by one."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp

from scripts.stack import keyring, plan, tokens
from scripts.stack.mongo import start_mongo
from scripts.stack.processes import Child

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stack:
    """A running `scripts/up`: its addresses, its processes, its end."""

    def __init__(self, data: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.data = data
        self.backend_port, self.presence_port = free_port(), free_port()
        self.backend = f"http://127.0.0.1:{self.backend_port}"
        self.presence = f"http://127.0.0.1:{self.presence_port}"
        self.lines: list[str] = []
        self._ready = threading.Event()
        ports = ["--backend-port", str(self.backend_port), "--presence-port", str(self.presence_port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scripts.stack", "--data", str(data), *ports, *options],
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=data.parent,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Ready."):
                self._ready.set()
        self._ready.set()

    def wait_ready(self) -> "Stack":
        assert self._ready.wait(60), "not ready after 60 s"
        assert self.process.poll() is None, "\n".join(self.lines) + self.logs()
        return self

    def logs(self) -> str:
        return "".join(f"\n--- {log.name}\n{log.read_text()[-3000:]}" for log in (self.data / "logs").glob("*.log"))

    def pid_of(self, package: str) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in children:
            if package in Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0"):
                return int(pid)
        raise AssertionError(f"{package} is not running")

    def kill(self, package: str) -> None:
        os.kill(self.pid_of(package), signal.SIGKILL)

    def stop(self) -> int:
        self.process.terminate()
        return self.wait_ended()

    def wait_ended(self) -> int:
        return self.process.wait(60)

    def token(self, *roles: str, **claims: object) -> str:
        secret = keyring.load(self.data).token_secret
        return tokens.mint(secret, {"sub": "u1", "roles": list(roles), **claims}, now=time.time(), ttl_seconds=600)

    def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of a request to the backend, with the plain internal key unless headers say otherwise."""
        if headers is None:
            headers = {"X-Internal-Request": keyring.load(self.data).api_key}
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.backend + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


class Programs:
    """The database, the backend and any number of presence servers, each by its name."""

    def __init__(self, data: Path, http: aiohttp.ClientSession) -> None:
        self.data = data
        self.ports = plan.Ports(free_port(), free_port())
        self.backend, self.presence = (f"http://127.0.0.1:{port}" for port in self.ports)
        self.ring = keyring.load_or_make(data)
        self.children: dict[str, Child] = {}
        self._http = http
        self._mongo_url = ""

    async def start_mongo(self) -> None:
        def started(child: Child) -> None:
            self.children["mongo"] = child

        self._mongo_url = await start_mongo(self.data, self.data, started=started)

    async def start(self, package: str) -> None:
        """Starts backend_api or presence_server and waits until it is ready."""
        configured = plan.Configured({}, {})
        env = plan.environment(configured, self.ports, keyring=self.ring, data=self.data, mongo_url=self._mongo_url)
        child = await Child.start(
            package, [sys.executable, "-m", package], env={**os.environ, "PYTHONPATH": str(ROOT), **env}, logs=self.data
        )
        self.children[package] = child
        url = self.backend if package == "backend_api" else self.presence
        await child.wait_until(lambda: self._is_ready(url), seconds=30)

    async def kill(self, package: str) -> None:
        child = self.children.pop(package)
        os.kill(child.pid, signal.SIGKILL)
        await child.ended()

    async def stop(self, package: str) -> None:
        await self.children.pop(package).stop()

    async def get(self, path: str) -> dict[str, object]:
        """The `data` of a backend answer, asked with the plain internal key."""
        headers = {"X-Internal-Request": self.ring.api_key}
        async with self._http.get(self.backend + path, headers=headers) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return body["data"]

    async def _is_ready(self, url: str) -> bool:
        try:
            async with self._http.get(f"{url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False
