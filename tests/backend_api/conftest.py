"""The database of the backend's tests: the embedded one as a process of its own, and MONGO_URL's where that is set."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from backend_api.db import Mongo

START_SECONDS = 90
EMBEDDED = "embedded"
REAL = "MONGO_URL"
SERVERS = [EMBEDDED, *([REAL] if REAL in os.environ else [])]


class Clock:
    """A clock that a test sets; calling it tells the time in Unix seconds."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Daemon:
    """The embedded database, started on a free port; `url` reaches it."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        (folder / "empty.toml").touch()
        program = Path(sys.executable).with_name("secantusd-py")
        self._log = folder / f"log-{uuid4().hex}"
        options = ["--standalone", "--config", folder / "empty.toml", "--host", "127.0.0.1", "--port", port]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*map(str, [program, *options, "--storage-path", folder / "data"])], stderr=log, stdout=log
            )
        self.port = int(self._wait_for(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)", self._log.read_text()))[1])
        self.url = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        self._wait_for(self._answers)

    def stop(self) -> None:
        """Asked to end, and made to where it has too much to put away."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        with MongoClient(self.url, serverSelectionTimeoutMS=500) as client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                return False
        return True

    def _wait_for(self, look):
        deadline = time.monotonic() + START_SECONDS
        while not (found := look()):
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)
        return found


@pytest.fixture(scope="session")
def embedded_url(tmp_path_factory):
    """One daemon for the whole run."""
    daemon = Daemon(tmp_path_factory.mktemp("mongo"))
    yield daemon.url
    daemon.stop()


@pytest.fixture
def start_daemon(tmp_path):
    """Starts a daemon that the test may kill and start again on the same port and files."""
    started = []

    def start(port=0):
        started.append(Daemon(tmp_path, port))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


@pytest.fixture
def clock():
    """2026-11-21 10:30:00 UTC until the test moves it."""
    return Clock(1_795_257_000.0)


@pytest.fixture
async def open_mongo(embedded_url):
    """Opens a client on a database that only this test uses."""
    database = f"test-{uuid4().hex[:12]}"
    clients, urls = [], set()

    def opened(server=EMBEDDED, driver="pymongo", *, embedded=True):
        url = embedded_url if server == EMBEDDED else os.environ[REAL]
        urls.add(url)
        clients.append(Mongo(url, database=database, driver=driver, embedded=embedded))
        return clients[-1]

    yield opened
    for client in clients:
        await client.close()
    for url in urls:
        with MongoClient(url) as cleaner:
            cleaner.drop_database(database)


@pytest.fixture(params=[(server, driver) for server in SERVERS for driver in ("pymongo", "motor")], ids="-".join)
async def mongo(request, open_mongo):
    """The database of the store suite: every server there is, through both drivers."""
    return open_mongo(*request.param)
