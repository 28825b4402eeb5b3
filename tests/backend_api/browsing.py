"""The system's Chromium, popup blocking on, whose pages believe the test's clock."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import async_playwright

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture
async def browser():
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], ignore_default_args=["--disable-popup-blocking"]
        )
        yield chromium
        await chromium.close()


@pytest.fixture
async def context(browser, clock):
    """A browser context; errors of its pages fail the test."""
    context = await browser.new_context(accept_downloads=True, timezone_id="UTC", locale="en-GB")
    await context.clock.set_fixed_time(datetime.fromtimestamp(clock(), UTC))
    errors = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    await context.close()
    assert errors == []
