"""One server under the load generator: what each thing cost it, in CPU of its process."""

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.engine.peers import CACHE, Peer

ANNOUNCED_INTERVAL_SECONDS = 25
SETTLE_SECONDS = 0.25


@dataclass
class Scale:
    """How much is measured. `deliveries` bounds the updates that are sent through one room."""

    sockets: int
    churn: int
    room: int
    deliveries: int
    paced_seconds: int
    idle_seconds: int
    many_rooms: int
    ping_interval_seconds: int


FULL = Scale(10_000, 3_000, 5_000, 500_000, 5, 25, 50_000, 8)
QUICK = Scale(1_200, 240, 1_000, 20_000, 1, 4, 6_000, 1)


def fitting(scale: Scale, say: Callable[[str], None]) -> Scale:
    """The scale, less what the limit on descriptors forbids; said aloud."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = min(hard, 1 << 20) - 500
    if scale.sockets <= room:
        return scale
    say(f"only {room} descriptors here: {room} sockets instead of {scale.sockets}")
    return Scale(room, min(scale.churn, room), min(scale.room, room), *list(vars(scale).values())[3:])


class Run:
    """A server process on one core and its load generator on another."""

    def __init__(self, server: subprocess.Popen[str], load: subprocess.Popen[str]) -> None:
        self.server, self.load = server, load

    def cpu_seconds(self) -> float:
        """Time the server has spent on a core, all threads, as the scheduler counts it."""
        threads = Path(f"/proc/{self.server.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def rss_kib(self) -> int:
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def tell(self, *words: object, settle: float = SETTLE_SECONDS) -> tuple[float, dict[str, float]]:
        """One command of the load generator: CPU seconds of the server, and what the generator says."""
        assert self.load.stdin is not None and self.load.stdout is not None
        before = self.cpu_seconds()
        self.load.stdin.write(" ".join(map(str, words)) + "\n")
        self.load.stdin.flush()
        answer = self.load.stdout.readline().split()
        time.sleep(settle)
        figures = {name: float(value) for name, _, value in (word.partition("=") for word in answer[1:])}
        return self.cpu_seconds() - before, figures


@contextlib.contextmanager
def running(peer: Peer, ping_interval_seconds: int = ANNOUNCED_INTERVAL_SECONDS) -> Iterator[Run]:
    pinned = ["taskset", "-c", "0"] if (os.cpu_count() or 1) > 1 else []
    command = [*pinned, *peer.command, "0", str(ping_interval_seconds)]
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=peer.environment)
    load = None
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split()[1]
        other = ["taskset", "-c", "1"] if pinned else []
        load = subprocess.Popen([*other, str(CACHE / "load"), port], stdin=pipe, stdout=pipe, text=True)
        yield Run(server, load)
    finally:
        for process in (load, server):
            if process is not None:
                process.kill()
                process.wait()


Figures = dict[str, float]


def measure(peer: Peer, scale: Scale, step: Callable[[], None]) -> Figures:
    """Every figure of one server. Microseconds are CPU of the server; `step` is called STEPS times."""
    found: Figures = {}
    with running(peer, scale.ping_interval_seconds) as run:
        for part in (_sockets, _storm, _rooms, _delivery):
            part(run, scale, found)
            step()
    return found


STEPS = 4


def _sockets(run: Run, scale: Scale, found: Figures) -> None:
    """Connect and join, each in a room of its own; idle; churn; disconnect."""
    n = scale.sockets
    run.tell("open", 200, 200, 1, 1)
    run.tell("shut")
    base = run.rss_kib()
    cpu, said = run.tell("open", n, n, 1, 1)
    found["connect_join_us"] = cpu / n * 1e6
    found["load_connect_us"] = said["load_cpu"] / n * 1e6
    found["failed"] = n - said["ready"]
    found["rss_kib"] = (run.rss_kib() - base) / n
    cpu, said = run.tell("idle", scale.idle_seconds, settle=0)
    if said["pings"]:
        found["idle_us"] = cpu / said["pings"] * 1e6 / ANNOUNCED_INTERVAL_SECONDS
        found["pings_per_cpu_second"] = said["pings"] / cpu if cpu else 0
    cpu, _ = run.tell("churn", scale.churn)
    found["churn_us"] = cpu / scale.churn * 1e6
    cpu, _ = run.tell("shut")
    found["disconnect_us"] = cpu / n * 1e6


def _storm(run: Run, scale: Scale, found: Figures) -> None:
    """Everybody comes at once into 100 rooms that are told of it."""
    cpu, said = run.tell("open", scale.sockets, 100, 0, 1)
    found["storm_us"] = cpu / scale.sockets * 1e6
    found["storm_seconds"] = said["wall"]
    found["failed"] += scale.sockets - said["ready"]
    run.tell("shut")


def _rooms(run: Run, scale: Scale, found: Figures) -> None:
    """The cost of one who goes and one who comes, five rooms each, with few rooms and with many."""
    for name, rooms in (("few_rooms_us", 1_000), ("many_rooms_us", scale.many_rooms)):
        run.tell("open", scale.sockets, rooms, 1, 5)
        cpu, _ = run.tell("churn", scale.churn)
        found[name] = cpu / scale.churn * 1e6
        run.tell("shut")


def _delivery(run: Run, scale: Scale, found: Figures) -> None:
    """Updates to one big room: back to back for the cost, ten a second for the delay; an idle probe before."""
    run.tell("open", 1, 1, 1, 1)
    _, said = run.tell("bump", 100, 100)
    found["probe_p99_ms"] = said["p99_ms"]
    run.tell("open", scale.room - 1, 1, 1, 1)
    times = max(2, scale.deliveries // scale.room)
    start = time.monotonic()
    run.tell("bump", 2, 0)
    if time.monotonic() - start > 1.0:
        times = max(2, times // 10)
    cpu, said = run.tell("bump", times, 0)
    found["delivery_us"] = cpu / max(1, said["deliveries"]) * 1e6
    found["load_delivery_us"] = said["load_cpu"] / max(1, said["deliveries"]) * 1e6
    _, said = run.tell("bump", 10 * scale.paced_seconds, 10)
    found["p50_ms"], found["p99_ms"] = said["p50_ms"], said["p99_ms"]
