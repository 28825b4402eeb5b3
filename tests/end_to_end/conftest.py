"""Stacks and programs that end with their test."""

import secrets

import aiohttp
import pytest
import pytest_asyncio

from tests.end_to_end.running import Programs, Stack


@pytest.fixture
def start_stack(tmp_path):
    """Starts stacks on one data folder; whatever still runs at the end is stopped."""
    started: list[Stack] = []

    def start(*options: str, presence: int = 1, env: dict[str, str] | None = None) -> Stack:
        started.append(Stack(tmp_path / "var", *options, presence=presence, env=env))
        return started[-1]

    yield start
    for stack in started:
        if stack.process.poll() is None:
            stack.stop()


@pytest.fixture
async def programs(tmp_path):
    """A running database; the test starts, stops and kills the programs on it."""
    async with aiohttp.ClientSession() as http:
        running = Programs(tmp_path, http)
        await running.start_mongo()
        yield running
        for child in reversed(running.children.values()):
            await child.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _lasting(tmp_path_factory):
    async with aiohttp.ClientSession() as http:
        data = tmp_path_factory.mktemp("programs") / "var"
        data.mkdir()
        running = Programs(data, http)
        await running.start_mongo()
        yield running
        for child in reversed(running.children.values()):
            await child.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def shared(_lasting):
    """Database, backend and presence server, running: for tests that keep apart by their names. They may be killed."""
    for package in ("backend_api", "presence_server"):
        if package not in _lasting.children:
            await _lasting.start(package)
    return _lasting


@pytest.fixture
def name():
    """Of a channel, a student, a call: one that no other test uses."""
    return f"n-{secrets.token_hex(4)}"
