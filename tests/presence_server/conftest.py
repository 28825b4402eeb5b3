"""Fixtures of the presence server's tests."""

from contextlib import AsyncExitStack

import pytest

from presence_server.app import running
from tests.presence_server.helpers import Page, serving_backend, settings


@pytest.fixture
async def backend():
    async with serving_backend() as backend:
        yield backend


@pytest.fixture
async def start(tmp_path, backend):
    """Starts a presence server with such settings in its table; it stops with the test."""
    async with AsyncExitStack() as stack:

        async def start(**presence: object):
            root = settings(tmp_path / "data", backend.url, **presence)
            return await stack.enter_async_context(running(root))

        yield start


@pytest.fixture
async def presence(start):
    return await start()


@pytest.fixture
async def page():
    """Makes pages; those that are still open are closed with the test."""
    pages = []

    def make() -> Page:
        pages.append(Page())
        return pages[-1]

    yield make
    for made in pages:
        await made.client.disconnect()
