"""The real programs for the end-to-end tests: `scripts/up` as a whole, or one by one."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp

from scripts.stack import keyring, plan, tokens
from scripts.stack.mongo import start_mongo
from scripts.stack.processes import Child
from scripts.stack.redis import find_redis, start_redis

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> range:
    """Consecutive ports that nobody listens on, below those that the system hands out to outgoing connections."""
    while True:
        first = random.randrange(15_000, 32_000)
        with ExitStack() as probes, suppress(OSError):
            for port in range(first, first + count):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return range(first, first + count)


class Stack:
    """A running `scripts/up`: its addresses, its processes, its end."""

    def __init__(self, data: Path, *options: str, presence: int = 1, env: dict[str, str] | None = None) -> None:
        self.data = data
        presence_ports = free_ports(presence)
        self.backend_port, self.presence_port = free_port(), presence_ports[0]
        self.backend = f"http://127.0.0.1:{self.backend_port}"
        self.presence_urls = [f"http://127.0.0.1:{port}" for port in presence_ports]
        self.presence = self.presence_urls[0]
        self.lines: list[str] = []
        self._ready = threading.Event()
        ports = ["--backend-port", str(self.backend_port), "--presence-port", str(self.presence_port)]
        ports += ["--presence", str(presence)] if presence > 1 else []
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
        assert self._ready.wait(120), "not ready after two minutes"
        assert self.process.poll() is None, "\n".join(self.lines) + self.logs()
        return self

    def logs(self) -> str:
        return "".join(f"\n--- {log.name}\n{log.read_text()[-3000:]}" for log in (self.data / "logs").glob("*.log"))

    def pid_of(self, package: str) -> int:
        pids = self.pids_of(package)
        assert pids, f"{package} is not running"
        return pids[0]

    def pids_of(self, word: str) -> list[int]:
        """The programs of this name or with this word in their command lines, first started first."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if word in _names(Path("/proc", pid))]

    def kill(self, package: str) -> None:
        os.kill(self.pid_of(package), signal.SIGKILL)

    def wait_line(self, part: str, seconds: float = 60) -> str:
        """The line with this text in it, once it is printed."""
        deadline = time.monotonic() + seconds
        while not (found := [line for line in self.lines if part in line]):
            assert time.monotonic() < deadline, f"no line with {part!r}: {self.lines}"
            time.sleep(0.02)
        return found[0]

    def stop(self) -> int:
        self.process.terminate()
        return self.wait_ended()

    def wait_ended(self) -> int:
        return self.process.wait(120)

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
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


def _names(process: Path) -> list[str]:
    """Redis writes its address over its command line: the name is what is left."""
    return [(process / "comm").read_text().strip(), *(process / "cmdline").read_bytes().decode().split("\0")]


class Programs:
    """The database, the backend and presence servers, each by its name: one of a kind is named as its package."""

    def __init__(self, data: Path, http: aiohttp.ClientSession) -> None:
        self.data = data
        self.ports = plan.Ports(free_port(), free_port())
        self.backend, self.presence = (f"http://127.0.0.1:{port}" for port in (self.ports.backend, self.ports.presence))
        self.ring = keyring.load_or_make(data)
        self.children: dict[str, Child] = {}
        self.mongo_url = self.redis_url = ""
        self._http = http
        self._ports = {"backend_api": self.ports.backend, "presence_server": self.ports.presence}

    async def start_mongo(self) -> None:
        self.mongo_url = await start_mongo(self.data, self.data, started=self._keep)

    async def start_redis(self) -> None:
        """Presence servers that are started from now on share their counts there."""
        self.redis_url = await start_redis(find_redis(), self.data, self.data, started=self._keep)

    def address(self, name: str) -> str:
        """host:port of a program, whether it runs or not; the same each time."""
        return f"127.0.0.1:{self._ports.setdefault(name, free_port())}"

    def folder(self, name: str) -> Path:
        """The data folder of a presence server."""
        return self.data / name.replace("presence_server", "presence")

    async def start(self, package: str, name: str | None = None, **environ: str) -> None:
        """Starts backend_api or presence_server, again where it ran before, and waits until it is ready."""
        name = name or package
        address = self.address(name)
        child = await Child.start(
            name,
            [sys.executable, "-m", package],
            env={**os.environ, "PYTHONPATH": str(ROOT), **self._environment(name), **environ},
            logs=self.data,
        )
        self.children[name] = child
        await child.wait_until(lambda: self._is_ready(f"http://{address}"), seconds=60)

    async def kill(self, name: str) -> None:
        child = self.children.pop(name)
        os.kill(child.pid, signal.SIGKILL)
        await child.ended()

    async def stop(self, name: str) -> None:
        await self.children.pop(name).stop()

    def token(self, *roles: str, **claims: object) -> str:
        given: dict[str, object] = {"sub": "u1", "roles": list(roles), **claims}
        return tokens.mint(self.ring.token_secret, given, now=time.time(), ttl_seconds=600)

    async def get(self, path: str, token: str | None = None) -> dict[str, object]:
        """The `data` of a backend answer, asked with the plain internal key or with somebody's token."""
        headers = {"X-Internal-Request": self.ring.api_key} if token is None else {"Authorization": f"Bearer {token}"}
        async with self._http.get(self.backend + path, headers=headers) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return body["data"]

    async def post(self, path: str, body: object) -> dict[str, object]:
        """The `data` of what a guest posts."""
        return await self._send("POST", path, body, {})

    async def tell(self, method: str, path: str, body: object) -> dict[str, object]:
        """The `data` of what a service sends with the plain internal key."""
        return await self._send(method, path, body, {"X-Internal-Request": self.ring.api_key})

    async def _send(self, method: str, path: str, body: object, headers: dict[str, str]) -> dict[str, object]:
        async with self._http.request(method, self.backend + path, json=body, headers=headers) as answer:
            said = await answer.json()
            assert answer.status in (200, 201), said
            return said["data"]

    def _keep(self, child: Child) -> None:
        self.children[child.name] = child

    def _environment(self, name: str) -> dict[str, str]:
        configured = plan.Configured({}, {})
        env = plan.environment(configured, self.ports, keyring=self.ring, data=self.data, mongo_url=self.mongo_url)
        port = str(self._ports[name])
        env |= {"PRESENCE__DATA_DIR": str(self.folder(name)), "PRESENCE__PORT": port, "BACKEND__PORT": port}
        return env | ({"PRESENCE__REDIS__URL": self.redis_url} if self.redis_url else {})

    async def _is_ready(self, url: str) -> bool:
        try:
            async with self._http.get(f"{url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False
