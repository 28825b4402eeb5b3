"""The same backend in the loop of the browser, which is one for all tests."""

from tests.backend_api.browsing import context, start_backend
from tests.backend_api.study.provider import backend_of_a_provider, streams
from tests.browsing import browser, in_its_loop

__all__ = ["browser", "context", "start_backend"]


@in_its_loop
async def stream():
    async with streams() as double:
        yield double


@in_its_loop
async def api(start_backend, stream):
    return await backend_of_a_provider(start_backend, stream)
