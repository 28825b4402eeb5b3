"""A backend in the loop of the browser, and pages of it that believe the test's clock."""

from datetime import UTC, datetime

from tests.backend_api.program import backends
from tests.browsing import in_its_loop


@in_its_loop
async def start_backend(clock, embedded_url):
    async with backends(clock, embedded_url) as start:
        yield start


@in_its_loop
async def context(browser, clock):
    """A browser context; errors of its pages fail the test."""
    context = await browser.new_context(accept_downloads=True, timezone_id="UTC", locale="en-GB")
    await context.clock.set_fixed_time(datetime.fromtimestamp(clock(), UTC))
    errors = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    await context.close()
    assert errors == []
