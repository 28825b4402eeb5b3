"""Stacks and programs that end with their test."""

import aiohttp
import pytest

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
