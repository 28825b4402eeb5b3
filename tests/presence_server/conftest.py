"""Fixtures of the presence server's tests."""

import pytest

from tests.presence_server.helpers import serving_backend


@pytest.fixture
async def backend():
    async with serving_backend() as backend:
        yield backend
