"""A server under the load generator, and the clock over both: CPU time, memory, and no end that nobody waits for."""

import contextlib
import os
import resource
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.engine.peers import CACHE, Peer

ANNOUNCED_INTERVAL_SECONDS = 25
SETTLE_SECONDS = 0.25

Figures = dict[str, float]


class NotRun(Exception):  # noqa: N818 - it is an answer
    """Why there is no figure."""


@dataclass(frozen=True)
class Scale:
    """How much is measured, and how long it may take, in seconds: all of it, and one server's part of one step."""

    sockets: int
    churn: int
    room: int
    deliveries: int
    paced_seconds: int
    idle_seconds: int
    many_rooms: int
    ping_interval_seconds: int
    tls_sockets: int
    flips: int
    rounds: int
    total_seconds: float
    part_seconds: float


FULL = Scale(10_000, 3_000, 5_000, 300_000, 5, 16, 50_000, 8, 2_000, 60, 3, 690, 60)
QUICK = Scale(1_200, 240, 1_000, 20_000, 1, 2, 6_000, 1, 500, 20, 1, 108, 12)


def fitting(scale: Scale, say: Callable[[str], None]) -> Scale:
    """The scale, less what the limit on descriptors forbids; said aloud."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = min(hard, 1 << 20) - 500
    if scale.sockets <= room:
        return scale
    say(f"Only {room} descriptors here: {room} sockets instead of {scale.sockets}.")
    return replace(scale, sockets=room, churn=min(scale.churn, room), room=min(scale.room, room))


def pinned(core: int, command: list[str]) -> list[str]:
    """The command on one core of its own, where there are two."""
    return ["taskset", "-c", str(core), *command] if (os.cpu_count() or 1) > 1 else command


def cpu_seconds(pid: int) -> float:
    """Time a process has spent on a core, all threads, as the scheduler counts it."""
    return sum(int(thread.read_text().split()[0]) for thread in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def rss_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


class Server:
    """A process that says which port it listens on, in its first line."""

    def __init__(self, command: list[str], environment: Mapping[str, str], until: float) -> None:
        if time.monotonic() > until:
            raise NotRun("no time is left")
        self._complaints = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed with the server
        self._process = subprocess.Popen(
            pinned(0, command), stdout=subprocess.PIPE, stderr=self._complaints, text=True, env=environment
        )
        self.pid = self._process.pid
        try:
            self.port = int(line(self._process, until).split()[-1])
        except (NotRun, ValueError, IndexError):
            self.close()
            raise NotRun(f"it does not start in time: {self._last_words()}") from None

    def _last_words(self) -> str:
        self._complaints.seek(0)
        return (self._complaints.read().strip().splitlines() or ["not a word"])[-1][:80]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Load:
    """The load generator at a port; told one thing at a time."""

    def __init__(self, port: int, until: float) -> None:
        pipe = subprocess.PIPE
        command = pinned(1, [str(CACHE / "load"), str(port)])
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self._until = until

    def ask(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Figures:
        words = line(self._process, self._until).split()
        return {name: float(value) for name, _, value in (word.partition("=") for word in words[1:])}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def line(process: subprocess.Popen[str], until: float) -> str:
    """The next line a process says; raises NotRun where it says none in time."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
        raise NotRun("too slow for the time there is")
    return process.stdout.readline()


class Run:
    """A server process on one core and its load generator on another."""

    def __init__(self, server: Server, load: Load) -> None:
        self._server, self._load = server, load

    def rss_kib(self) -> int:
        return rss_kib(self._server.pid)

    def tell(self, *words: object, settle: float = SETTLE_SECONDS) -> tuple[float, Figures]:
        """One command of the load generator: CPU seconds of the server, and what the generator says."""
        before = cpu_seconds(self._server.pid)
        self._load.ask(*words)
        said = self._load.answer()
        time.sleep(settle)
        return cpu_seconds(self._server.pid) - before, said


@contextlib.contextmanager
def running(peer: Peer, until: float, ping_interval_seconds: int = ANNOUNCED_INTERVAL_SECONDS) -> Iterator[Run]:
    """The peer's server, fresh, under a load generator; raises NotRun where one of them is not in time."""
    server = Server([*peer.command, "0", str(ping_interval_seconds)], peer.environment, until)
    load = Load(server.port, until)
    try:
        yield Run(server, load)
    finally:
        load.close()
        server.close()
