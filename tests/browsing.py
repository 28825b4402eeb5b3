"""The system's Chromium, once for all tests of a worker that run in the session's loop; contexts are the tests' own.

Its headless build where there is one: the same engine, half the time for a page.
"""

import shutil
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

WHOLE = shutil.which("chromium")
CHROMIUM = shutil.which("chromium-headless-shell") or WHOLE
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

in_its_loop = pytest_asyncio.fixture(loop_scope="session")
"""Makes a fixture that tests with the browser can use."""
BROWSER_TESTS = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@asynccontextmanager
async def _launched(program):
    if program is None:
        pytest.skip("chromium is not installed: NO PAGE WAS LOOKED AT")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=program, args=OPTIONS, ignore_default_args=["--disable-popup-blocking"]
        )
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    """For everything but popups: the headless build blocks none."""
    async with _launched(CHROMIUM) as chromium:
        yield chromium


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def whole_browser():
    """Its popup blocker is on, as in a browser that nobody drives."""
    async with _launched(WHOLE) as chromium:
        yield chromium
