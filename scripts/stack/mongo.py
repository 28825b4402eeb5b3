"""The embedded database: the MongoDB stand-in as a process of its own, reached over MongoDB's wire protocol only."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from scripts.stack.processes import Child, StackError

READY_SECONDS = 30.0
_URL_FILE = "mongo.url"
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")


async def start_mongo(data: Path, logs: Path, *, started: Callable[[Child], None]) -> str:
    """Starts it on a free port with its files in `data`; tells `started` at once, gives its URL once it answers."""
    storage, config = data / "mongo", data / "mongo.toml"
    storage.mkdir(exist_ok=True)
    config.write_text("")  # Without a file of its own it would take up one lying about.
    command = [_program(), "--standalone", "--config", config, "--host", "127.0.0.1", "--port", "0"]
    child = await Child.start(
        "mongo", [*map(str, command), "--storage-path", str(storage)], env=dict(os.environ), logs=logs
    )
    started(child)
    await child.wait_until(lambda: _has_address(child), seconds=READY_SECONDS)
    url = f"mongodb://{_address(child)}/?directConnection=true&maxPoolSize=10"
    await child.wait_until(lambda: _answers(url), seconds=READY_SECONDS)
    (data / _URL_FILE).write_text(url)
    return url


def running_url(data: Path) -> str | None:
    """Where the embedded database of that folder was when it last started; None if it never did."""
    try:
        return (data / _URL_FILE).read_text()
    except OSError:
        return None


def _program() -> str:
    program = Path(sys.executable).parent / "secantusd-py"
    found = str(program) if program.exists() else shutil.which("secantusd-py")
    if found is None:
        raise StackError("the embedded database is not installed: pip install '.[embedded]', or set backend.mongo.url")
    return found


def _address(child: Child) -> str | None:
    match = _LISTENING.search(child.output())
    return match[1] if match else None


async def _has_address(child: Child) -> bool:
    await asyncio.sleep(0)
    return _address(child) is not None


async def _answers(url: str) -> bool:
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(url, serverSelectionTimeoutMS=500)
    try:
        await client.admin.command("ping")
    except PyMongoError:
        return False
    finally:
        await client.close()
    return True
