"""Fixtures of the presence server's tests."""

import shutil
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from presence_server.__main__ import main
from presence_server.app import running
from tests.presence_server.helpers import API_KEY, TOKEN_SECRET, making_pages, serving_backend, settings

JAVASCRIPT_CLIENT = "socket.io-client@4.8.4"
CACHE = Path(__file__).parents[2] / "var" / "cache" / JAVASCRIPT_CLIENT
INSTALL = [
    "npm",
    "install",
    "--no-save",
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
    "--prefix",
    CACHE,
    JAVASCRIPT_CLIENT,
]


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
    async with making_pages() as make:
        yield make


@pytest.fixture
def ends(monkeypatch, capsys, tmp_path):
    """Runs the program here, for what ends before anything is opened; its exit status and its lines."""

    def run(*arguments: str, **environ: str) -> tuple[int, list[str]]:
        keys = {"INTERNAL__API_KEY": API_KEY, "AUTH__SECRET": TOKEN_SECRET}
        for name, text in (keys | {"PRESENCE__DATA_DIR": str(tmp_path / "data")} | environ).items():
            monkeypatch.setenv(name, text)
        try:
            status = main(arguments)
        except SystemExit as usage:
            status = usage.code
        return status, capsys.readouterr().err.splitlines()

    return run


@pytest.fixture(scope="session")
def node_modules():
    """Where the JavaScript client is installed: the ignored cache folder."""
    if shutil.which("npm") is None:
        pytest.skip("NOT RUN: npm is not here, so the JavaScript client cannot be tried")
    if not (CACHE / "node_modules").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        if subprocess.run(
            [*INSTALL, "--prefix", CACHE, JAVASCRIPT_CLIENT], capture_output=True, check=False
        ).returncode:
            pytest.skip("NOT RUN: npm could not install the JavaScript client")
    return CACHE / "node_modules"
