"""The program `backend-api` as an operator meets it: what it prints, how it ends. A real process on a free port."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from backend_api.__main__ import main

ROOT = Path(__file__).parents[2]
API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
ENVIRON = {
    "INTERNAL__API_KEY": API_KEY,
    "AUTH__SECRET": "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G",
    "BACKEND__MONGO__URL": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200",
    "PYTHONPATH": str(ROOT),
}


class Program:
    """A running program and the log lines it has written."""

    def __init__(self, process):
        self.process = process

    async def line(self, event):
        """The next log line of that event."""
        async with asyncio.timeout(60):
            async for text in self.process.stderr:
                line = json.loads(text)
                if line["event"] == event:
                    return line
        raise AssertionError(f"no line {event}")

    async def ended(self):
        """Exit status and what is left on stderr."""
        async with asyncio.timeout(60):
            _, rest = await self.process.communicate()
        return self.process.returncode, rest.decode()


@pytest.fixture
async def start():
    started = []

    async def run(*arguments, **environ):
        env = {"PATH": os.environ["PATH"]} | ENVIRON | environ
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "backend_api", *arguments,
            env={name: text for name, text in env.items() if text is not None},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return Program(process)

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def status_of(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal_and_ends_with_0(start, embedded_url, number):
    """It says where it is ready, on any free port; after the signal it is not ready any more, then it is gone."""
    program = await start("--port", "0", BACKEND__MONGO__URL=embedded_url, BACKEND__DRAIN_SECONDS="1")
    url = (await program.line("ready"))["url"]
    assert await status_of(f"{url}/readyz") == (200, {"status": "ok", "reasons": {}})

    program.process.send_signal(number)
    await program.line("draining")
    assert await status_of(f"{url}/readyz") == (503, {"status": "unavailable", "reasons": {"process": "draining"}})

    status, rest = await program.ended()
    assert status == 0
    assert "Traceback" not in rest


async def test_without_its_database_it_lives_and_says_that_it_is_not_ready(start):
    """It waits for the database instead of ending; a signal ends it all the same."""
    program = await start("--port", "0")
    url = (await program.line("listening"))["url"]
    assert (await status_of(f"{url}/livez"))[0] == 200
    status, answer = await status_of(f"{url}/readyz")
    assert (status, set(answer["reasons"])) == (503, {"database"})
    program.process.terminate()
    assert (await program.ended())[0] == 0


async def test_a_port_in_use_is_one_clear_line_and_temporary(start):
    """Exit status 75."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, line = await (await start("--port", str(port))).ended()
    assert (status, line) == (75, f"backend-api: cannot listen on 127.0.0.1:{port}: the port is in use\n")


async def test_an_address_that_is_not_this_machines_is_a_matter_of_configuration(start):
    """Exit status 78."""
    status, line = await (await start("--host", "192.0.2.1", "--port", "0")).ended()
    assert (status, line.count("\n")) == (78, 1)
    assert line.startswith("backend-api: cannot listen on 192.0.2.1:0: ")


@pytest.fixture
def ends(monkeypatch, capsys):
    """Runs the program here, for what ends before anything is opened; its exit status and what it says."""

    def run(*arguments, **environ):
        for name, text in (ENVIRON | environ).items():
            monkeypatch.delenv(name, raising=False) if text is None else monkeypatch.setenv(name, text)
        try:
            status = main(arguments)
        except SystemExit as usage:
            status = usage.code
        return status, capsys.readouterr().err

    return run


def test_a_wrong_setting_is_one_clear_line(ends, tmp_path):
    """Exit status 78, whether it is only checked or to be served; nothing is opened."""
    config = tmp_path / "config.toml"
    config.write_text("[backend]\nprot = 1\n")
    for more in ((), ("--check-config",)):
        told = ends("--config", str(config), *more)
        assert told == (78, f"backend-api: {config}: backend.prot: unknown setting\n")


async def test_a_driver_that_is_not_installed_is_a_matter_of_configuration(start, tmp_path):
    """The line says how to get it."""
    (tmp_path / "motor.py").write_text("raise ModuleNotFoundError('motor')")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    program = await start("--port", "0", BACKEND__MONGO__DRIVER="motor", PYTHONPATH=path)
    status, line = await program.ended()
    assert (status, line.count("\n")) == (78, 1)
    assert "pip install" in line


def test_the_check_finds_a_driver_that_is_not_installed(ends, monkeypatch):
    """In the same words as the start."""
    monkeypatch.setitem(sys.modules, "motor.motor_asyncio", None)
    status, line = ends("--check-config", BACKEND__MONGO__DRIVER="motor")
    assert (status, line.count("\n")) == (78, 1)
    assert "pip install" in line


@pytest.mark.parametrize("url", ["mongodb://user:pa:ss@x", "mongodb://x:99999"])
def test_a_database_url_that_is_none_is_found_by_the_check(ends, url):
    """78 and one line."""
    status, line = ends("--check-config", BACKEND__MONGO__URL=url)
    assert (status, line.count("\n")) == (78, 1)
    assert line.startswith("backend-api: backend.mongo.url: ")


async def test_a_database_url_that_is_none_is_found_at_the_start(start):
    """In the same words as by the check."""
    status, line = await (await start("--port", "0", BACKEND__MONGO__URL="mongodb://x:99999")).ended()
    assert (status, line.count("\n")) == (78, 1)
    assert line.startswith("backend-api: backend.mongo.url: ")


async def test_a_configuration_can_be_checked_without_serving(start):
    """Exit status 0 and not a word."""
    assert await (await start("--check-config")).ended() == (0, "")


def test_without_keys_it_does_not_start(ends):
    """Nobody runs it open by accident."""
    assert ends(INTERNAL__API_KEY=None) == (78, "backend-api: internal: has to be set\n")


def test_secrets_may_come_from_files(ends, tmp_path):
    """A folder as container platforms mount it."""
    (tmp_path / "internal__api_key").write_text(f"{API_KEY}\n")
    assert ends("--check-config", "--secrets", str(tmp_path), INTERNAL__API_KEY=None) == (0, "")


def test_usage_errors_end_with_2(ends):
    """As everywhere."""
    assert ends("--nonsense")[0] == 2
