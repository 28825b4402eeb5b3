"""The backend as a process of its own on a fresh database, and the CPU time that both spend."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import aiohttp
import orjson
import pytest
from pymongo import MongoClient

from backend_api.client import BackendClient
from backend_api.contract.signing import derive_key
from backend_api.db import Mongo
from tests.backend_api.conftest import EMBEDDED, REAL, SERVERS, Daemon

API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
TOKEN_SECRET = "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G"


def cpu_seconds(pid):
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    """One backend on one database."""

    def __init__(self, name, mongo_url, database, driver, daemon_pid, folder):
        self.name, self.mongo_url, self.database, self.driver = name, mongo_url, database, driver
        self.daemon_pid = daemon_pid
        self._log = folder / "backend.log"
        environment = os.environ | {
            "BACKEND__PORT": "0",
            "BACKEND__MONGO__URL": mongo_url,
            "BACKEND__MONGO__DATABASE": database,
            "BACKEND__MONGO__DRIVER": driver,
            "BACKEND__MONGO__EMBEDDED": str(daemon_pid is not None).lower(),
            "BACKEND__VIEWERS__ANALYTICS_KINDS": '["*"]',
            "INTERNAL__API_KEY": API_KEY,
            "AUTH__SECRET": TOKEN_SECRET,
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "backend_api"], env=environment, stderr=log)

    async def url(self):
        """Once it is ready."""
        async with asyncio.timeout(30):
            while True:
                for line in self._log.read_bytes().splitlines():
                    if b'"ready"' in line:
                        return orjson.loads(line)["url"]
                assert self.process.poll() is None, self._log.read_text()
                await asyncio.sleep(0.05)

    def cpu(self):
        """CPU seconds so far: of the backend, and of the database where it is ours."""
        return cpu_seconds(self.process.pid), cpu_seconds(self.daemon_pid) if self.daemon_pid else float("nan")

    def client(self, url):
        return BackendClient([url], derive_key(API_KEY), timeout_seconds=60)

    def mongo(self):
        return Mongo(self.mongo_url, database=self.database, driver=self.driver)


@pytest.fixture(params=[(server, driver) for server in SERVERS for driver in ("pymongo", "motor")], ids="-".join)
def bench(request, tmp_path):
    server, driver = request.param
    daemon = Daemon(tmp_path) if server == EMBEDDED else None
    url = daemon.url if daemon else os.environ[REAL]
    database = f"bench-{uuid4().hex[:12]}"
    running = Bench(f"{server}, {driver}", url, database, driver, daemon and daemon.process.pid, tmp_path)
    yield running
    running.process.terminate()
    running.process.wait(20)
    with MongoClient(url) as cleaner:
        cleaner.drop_database(database)
    if daemon:
        daemon.stop()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(headers={"X-Internal-Request": API_KEY}) as session:
        yield session
