"""Running servers for the engine's tests."""

import asyncio

import pytest
import uvloop

from tests.presence_server.engine import support

ON_BOTH_LOOPS = {"test_front.py", "test_upgrade.py", "test_endings.py", "test_limits.py", "test_straight.py"}


def pytest_asyncio_loop_factories(config, item):
    """The program runs on uvloop; what touches transports closely is tried on asyncio's own loop too."""
    loops = {"uvloop": uvloop.new_event_loop}
    return loops | {"asyncio": asyncio.new_event_loop} if item.path.name in ON_BOTH_LOOPS else loops


@pytest.fixture
async def run():
    """Our engine with its usual settings (heartbeats far away)."""
    async with support.ours() as running:
        yield running
