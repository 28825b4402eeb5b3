"""The two real services with an embedded database, and the system's Chromium to look at their pages with."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from scripts.stack import tokens
from tests.browsing import browser

__all__ = ["browser"]

START_SECONDS = 90
READY = '"event":"ready"'
EXPECTED_NOISE = "Failed to load resource"
"""What Chromium says about every answer that is no success; the pages show those."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Services:
    """Database, backend and presence server as processes; presence can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        ports = {name: free_port() for name in ("backend", "presence")}
        self.backend = f"http://127.0.0.1:{ports['backend']}"
        self.presence = f"http://127.0.0.1:{ports['presence']}"
        self.foreign_port = free_port()
        self._api_key, self._secret = secrets.token_hex(24), secrets.token_hex(32)
        self._settings = {
            "BACKEND__PORT": str(ports["backend"]),
            "BACKEND__PUBLIC_URL": self.backend,
            "BACKEND__MONGO__EMBEDDED": "true",
            "BACKEND__VIEWERS__ANALYTICS_KINDS": '["auction"]',
            "PRESENCE__PORT": str(ports["presence"]),
            "PRESENCE__PUBLIC_URL": self.presence,
            "PRESENCE__ALLOWED_ORIGINS": json.dumps([f"http://127.0.0.1:{self.foreign_port}"]),
            "PRESENCE__BACKEND__URLS": json.dumps([self.backend]),
            "PRESENCE__DATA_DIR": str(folder / "presence"),
            "INTERNAL__API_KEY": self._api_key,
            "AUTH__SECRET": self._secret,
        }

    def start(self) -> None:
        (self._folder / "empty.toml").touch()
        program = Path(sys.executable).with_name("secantusd-py")
        options = ["--standalone", "--config", self._folder / "empty.toml", "--host", "127.0.0.1"]
        options += ["--port", 0, "--storage-path", self._folder / "database"]
        port = self._start("database", [program, *options], r"listening on 127\.0\.0\.1:(\d+)")[1]
        self._settings["BACKEND__MONGO__URL"] = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        self._start("backend", [sys.executable, "-m", "backend_api"], READY)
        self.start_presence()

    def start_presence(self) -> None:
        self._start("presence", [sys.executable, "-m", "presence_server"], READY)

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait(60)

    def stop_all(self) -> None:
        for name in reversed(list(self._processes)):
            self.stop(name)

    def _start(self, name: str, command: list[object], ready: str) -> re.Match[str]:
        log = self._folder / f"{name}-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            env = {**os.environ, **self._settings}
            process = subprocess.Popen([*map(str, command)], env=env, stdout=out, stderr=out)
        self._processes[name] = process
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(ready, log.read_text())):
            assert process.poll() is None, f"{name} ended with {process.returncode}: {log.read_text()}"
            assert time.monotonic() < deadline, f"{name} is not ready: {log.read_text()}"
            time.sleep(0.02)
        return found

    def token(self, *roles: str, seconds: float = 600, **claims: object) -> str:
        given: dict[str, object] = {"sub": "maria", "roles": list(roles), **claims}
        return tokens.mint(self._secret, given, now=time.time(), ttl_seconds=seconds)

    def call(self, method: str, path: str, body: object = None) -> dict:
        """The `data` of an internal call to the backend."""
        headers = {"X-Internal-Request": self._api_key, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.backend + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())["data"]

    def record(self, room: str, minutes: dict[int, tuple[int, float, int]]) -> None:
        """History: how many minutes ago -> (minimum, average, peak)."""
        now = time.time()
        parts = [
            {
                "room": room,
                "timestamp": datetime.fromtimestamp(now - ago * 60, UTC).isoformat(),
                "viewerCount": round(average),
                "avgViewers": average,
                "peakViewers": peak,
                "minViewers": low,
            }
            for ago, (low, average, peak) in minutes.items()
        ]
        results = self.call("POST", "/internal/v1/snapshots", {"snapshots": parts})["results"]
        assert {result["status"] for result in results} == {"saved"}


@pytest.fixture(scope="session")
def services(tmp_path_factory):
    """Both services, for the whole run; tests keep apart by their rooms."""
    running = Services(tmp_path_factory.mktemp("services"))
    try:
        running.start()
        yield running
    finally:
        running.stop_all()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser, services):
    """Opens a page, each in a browser of its own unless `beside` names one. At the end no script may have failed."""
    contexts, complaints = [], []

    def listen(page):
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)

    async def open_page(path, *, beside=None, token=None, size=(1200, 900), zone="UTC", **options):
        context = beside.context if beside else await browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale="en-GB", timezone_id=zone, **options
        )  # fmt: skip
        if beside is None:
            contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(30_000)
        listen(page)
        url = path if path.startswith("http") else services.backend + path
        await page.goto(url + (f"#token={token}" if token else ""))
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert [text for text in complaints if not _is_noise(text)] == []


def _is_noise(text: str) -> bool:
    # A socket that cannot connect is an error to Chromium, and a state to the page.
    return EXPECTED_NOISE in text or "WebSocket connection to" in text


@pytest.fixture
def room(request):
    """A room that no other test uses."""
    return f"auction:{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower())[:60]}-{secrets.token_hex(3)}"
