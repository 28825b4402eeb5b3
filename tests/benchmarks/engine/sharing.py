"""The price of sharing: presence servers with Redis between them beside one alone, by CPU of the presence processes.

Half of the sockets are on either server, in the same rooms. A join is cold where the room is new to its server: every
socket has a room of its own there. It is warm where the server knows the room: all sockets come into a few rooms, whose
changes are told ten times a second. Redis itself runs on the load generators' core and is not counted.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import socketio

from scripts.stack.processes import StackError
from scripts.stack.redis import find_redis
from tests.benchmarks.engine.measure import SETTLE_SECONDS, Figures, Load, NotRun, Scale, cpu_seconds, pinned
from tests.benchmarks.engine.peers import Peer

WARM_ROOMS = 10
JOIN = {"room": "auction:shared"}
CONFIG = """
[presence]
port = {port}
data_dir = "{folder}"
log_level = "error"
[presence.limits]
sockets_per_address = 1000000
events_per_second = 1000000.0
events_at_once = 1000000
[presence.backend]
urls = ["http://127.0.0.1:9"]
[presence.redis]
{redis}
[internal]
api_key = "{api_key}"
[auth]
secret = "{token_secret}"
"""


def measure(peer: Peer, scale: Scale, until: float) -> Figures:
    """One alone, then two."""
    with tempfile.TemporaryDirectory() as folder, _presences(Path(folder), 1, "", until) as alone:
        found = {f"alone_{name}": value for name, value in alone.figures(scale).items()}
    with contextlib.ExitStack() as started:
        folder = started.enter_context(tempfile.TemporaryDirectory())
        redis = started.enter_context(_redis(until))
        two = started.enter_context(_presences(Path(folder), 2, f'url = "{redis}"', until))
        if not asyncio.run(two.share(until)):
            raise NotRun("presence servers do not share their counts")
        return found | {f"shared_{name}": value for name, value in two.figures(scale).items()}


class Presences:
    """Running presence servers, a load generator at each."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], ports: list[int], until: float) -> None:
        self._pids = [process.pid for process in processes]
        self._ports = ports
        self.loads = [Load(port, until) for port in ports]

    def figures(self, scale: Scale) -> Figures:
        """Microseconds of all servers together, per update that is heard and, that apart, per socket that joins."""
        servers, cold, warm = len(self.loads), max(1, scale.churn // 2), scale.churn
        cold_cpu, cold_updates = self._tell("open", cold, cold, 0, 1)
        warm_cpu, warm_updates = self._tell("open", warm // servers, WARM_ROOMS, 0, 1)
        self._tell("shut")
        self._tell("open", scale.room // servers, 1, 0, 1)
        cpu, updates = self._tell("flip", scale.flips, 10)
        delivery = cpu / max(1.0, updates)
        return {
            "cold_us": (cold_cpu - cold_updates * delivery) / cold / servers * 1e6,
            "join_us": (warm_cpu - warm_updates * delivery) / warm * 1e6,
            "delivery_us": delivery * 1e6,
        }

    def _tell(self, *words: object) -> tuple[float, float]:
        """The same to every load generator: CPU seconds of the servers, updates heard."""
        before = sum(map(cpu_seconds, self._pids))
        for load in self.loads:
            load.ask(*words)
        updates = sum(load.answer()["updates"] for load in self.loads)
        time.sleep(SETTLE_SECONDS)
        return sum(map(cpu_seconds, self._pids)) - before, updates

    async def share(self, until: float) -> bool:
        """Whether one who joins at the first server is counted at the last."""
        clients = [socketio.AsyncClient(reconnection=False) for _ in self._ports]
        counted = asyncio.Event()
        clients[0].on("viewerCountUpdate", lambda count, _: counted.set() if count == len(clients) else None)
        try:
            async with asyncio.timeout(min(5.0, until - time.monotonic())):
                for client, port in zip(clients, self._ports, strict=True):
                    await client.connect(f"http://127.0.0.1:{port}", transports=["websocket"])
                    await client.call("join", JOIN)
                await counted.wait()
        except TimeoutError:
            return False
        finally:
            for client in clients:
                await client.disconnect()
        return True


@contextlib.contextmanager
def _presences(folder: Path, number: int, redis: str, until: float) -> Iterator[Presences]:
    """Presence servers on the first core, with a load generator each on the second."""
    keys = {"api_key": secrets.token_hex(32), "token_secret": secrets.token_hex(32)}
    ports = [_free_port() for _ in range(number)]
    with contextlib.ExitStack() as started:
        processes = []
        for port in ports:
            own = folder / str(port)
            own.mkdir(parents=True)
            config = own / "presence.toml"
            config.write_text(CONFIG.format(port=port, folder=own / "data", redis=redis, **keys))
            command = [sys.executable, "-m", "presence_server", "--config", str(config)]
            processes.append(started.enter_context(_process(pinned(0, command), port, until)))
        presences = Presences(processes, ports, until)
        for load in presences.loads:
            started.callback(load.close)
        yield presences


@contextlib.contextmanager
def _redis(until: float) -> Iterator[str]:
    try:
        program = find_redis()
    except StackError as error:
        raise NotRun(str(error)) from None
    port = _free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with _process(pinned(1, [program, *options]), port, until):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def _process(command: list[str], port: int, until: float) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed at the end, once it answers at its port."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise NotRun(f"{Path(command[-1]).name} does not start")
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
