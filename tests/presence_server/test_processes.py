"""`presence-server --processes N` from outside: real processes on one port, killed, restarted, stopped, refused."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from presence_server.delivery.outbox import opened
from tests.clients import Client
from tests.presence_server.helpers import API_KEY, TOKEN_SECRET, until
from tests.presence_server.presence.servers import one_server

ROOT = Path(__file__).parents[2]
SHARED = {"PRESENCE__SOCKET__TRANSPORTS": '["websocket"]', "PRESENCE__REDIS__URL": "redis://127.0.0.1:1/0"}
ENVIRON = {"INTERNAL__API_KEY": API_KEY, "AUTH__SECRET": TOKEN_SECRET, **SHARED}


class Family:
    """A parent and its processes, with the log lines that they wrote."""

    def __init__(self, data: Path, *arguments: str, **environ: str) -> None:
        env = {**os.environ, **ENVIRON, "PRESENCE__DATA_DIR": str(data), **environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "presence_server", "--port", "0", "--processes", "3", *arguments],
            stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self._reader.start()

    def events(self, name: str) -> list[dict]:
        said = (json.loads(line) for line in self.lines if line.startswith("{"))
        return [line for line in said if line["event"] == name]

    def wait(self, name: str, count: int, seconds: float = 30) -> list[dict]:
        deadline = time.monotonic() + seconds
        while len(found := self.events(name)) < count:
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)
        return found

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self) -> tuple[int, list[str]]:
        status = self.process.wait(30)
        self._reader.join(10)
        return status, self.lines


@pytest.fixture
def start(tmp_path):
    """Starts families; whoever is left over is stopped."""
    started: list[Family] = []

    def run(*arguments: str, **environ: str) -> Family:
        started.append(Family(tmp_path / "data", *arguments, **environ))
        return started[-1]

    yield run
    for family in started:
        if family.process.poll() is None:
            family.process.terminate()
            family.process.wait(30)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    with one_server(tmp_path_factory.mktemp("redis"), version=8) as server:
        yield server.url


async def test_three_processes_share_one_port_and_a_signal_stops_them_all(start, tmp_path, redis_url):
    """Each in a folder of its own, each taking part of the connections, all counted together; SIGTERM ends with 0."""
    family = start(PRESENCE__REDIS__URL=redis_url)
    lines = family.wait("ready", 3)
    assert {line["process"] for line in lines} == {1, 2, 3}
    [url] = {line["url"] for line in lines}
    pids = family.children()
    clients = [Client(reconnection=False) for _ in range(30)]
    for client in clients:
        await client.connect(url, transports=["websocket"])
    joined = [await client.call("join", {"room": "auction:demo"}, timeout=30) for client in clients]
    assert len({answer["epoch"].split(":")[0] for answer in joined}) > 1
    for client in clients:
        async with asyncio.timeout(30):
            while (await client.call("join", {"room": "auction:demo"}))["viewerCount"] != len(clients):
                await asyncio.sleep(0.1)
    family.process.terminate()
    status, rest = family.end()
    assert status == 0
    assert len(family.events("stopped")) == 3
    assert not [line for line in rest if "Traceback" in line]
    assert not any(map(_is_alive, pids))
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["1", "2", "3"]
    await until(lambda: not any(client.connected for client in clients))


def test_one_that_is_killed_is_started_again(start):
    """The line says when; the others stay what they are, and the signal still ends all of them well."""
    family = start()
    family.wait("ready", 3)
    before = family.children()
    os.kill(before[1], signal.SIGKILL)
    [said] = family.wait("process_ended", 1)
    assert (said["process"], said["status"]) == (2, -9)
    assert family.wait("ready", 4)[-1]["process"] == 2
    after = family.children()
    assert len(after) == 3
    assert len(set(before) & set(after)) == 2
    family.process.send_signal(signal.SIGINT)
    assert family.end()[0] == 0


def test_a_parent_that_is_killed_outright_leaves_nobody(start):
    """Its processes drain by themselves."""
    family = start()
    family.wait("ready", 3)
    pids = family.children()
    family.process.kill()
    deadline = time.monotonic() + 30
    while any(_is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_port_in_use_is_one_clear_line_even_where_it_is_shared(start):
    """Two families on one port would share each other's clients: the second ends with 75 before it starts anybody."""
    family = start()
    port = family.wait("ready", 3)[0]["url"].rpartition(":")[2]
    status, lines = start("--port", port).end()
    assert (status, len(lines)) == (75, 1)
    assert lines[0].endswith("the port is in use\n")
    status, lines = start("--port", port, "--processes", "1").end()
    assert (status, len(lines)) == (75, 1)
    with socket.socket() as alone:
        alone.bind(("127.0.0.1", 0))
        alone.listen()
        status, lines = start("--port", str(alone.getsockname()[1])).end()
    assert (status, len(lines)) == (75, 1)


async def test_reports_in_a_folder_that_nobody_opens_are_told_of(start, tmp_path):
    """Those of one process alone, and those of a number that is no longer used; not those that will be sent."""
    for name in (".", "3", "7"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        async with opened(folder / "outbox.db", 2**20, time.time) as outbox:
            await outbox.add("/internal/v1/snapshots", [b'{"snapshots":[]}'] * 2)
    family = start()
    told = {(Path(line["folder"]).name, line["reports"]) for line in family.wait("reports_left_in_folder", 2)}
    family.wait("ready", 3)
    assert told == {("data", 2), ("7", 2)}


def test_where_none_can_start_all_end_with_what_is_wrong(start, tmp_path):
    """A folder that cannot be made: a clear line and its status, no endless restarts."""
    (tmp_path / "data").write_text("")
    status, lines = start().end()
    assert status == 75
    assert any("cannot be written" in line for line in lines)
    assert not [line for line in lines if "process_ended" in line]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"PRESENCE__REDIS__URL": ""}, "set presence.redis.url"),
        ({"PRESENCE__SOCKET__TRANSPORTS": '["polling", "websocket"]'}, 'transports = ["websocket"]'),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(ends, tmp_path, environ, words):
    """One line and 78, by the check as well as by the start."""
    for arguments in ([], ["--check-config"]):
        status, lines = ends("--processes", "3", *arguments, **SHARED | environ)
        assert (status, len(lines)) == (78, 1)
        assert words in lines[0]
    assert not (tmp_path / "data").exists()


def test_the_number_of_processes_is_checked(ends):
    """None are too few for a configuration, a word is bad usage; a good number passes in silence."""
    status, lines = ends("--processes", "0", **SHARED)
    assert (status, len(lines)) == (78, 1)
    assert "command line: presence.processes" in lines[0]
    assert ends("--processes", "many", **SHARED)[0] == 2
    assert ends("--processes", "3", "--check-config", **SHARED) == (0, [])
