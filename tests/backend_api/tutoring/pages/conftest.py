"""The same backend in the loop of the browser, which is one for all tests."""

from tests.backend_api.browsing import context, start_backend
from tests.backend_api.tutoring.school import school, telegrams
from tests.browsing import browser, in_its_loop, whole_browser

__all__ = ["browser", "context", "start_backend", "whole_browser"]


@in_its_loop
async def telegram():
    async with telegrams() as double:
        yield double


@in_its_loop
async def api(start_backend, telegram):
    return await school(start_backend, telegram)
