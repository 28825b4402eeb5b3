"""The balancer of `deploy/` as a process: the real HAProxy on the real configuration, with this test's addresses."""

import os
import socket
import subprocess
import time
from pathlib import Path

from tests.end_to_end.running import ROOT, free_ports

CONFIG = ROOT / "deploy/haproxy.cfg"


class Balancer:
    """HAProxy in front of two presence processes and two backends."""

    def __init__(self, log: Path, presence: list[str], backends: list[str], **environ: str) -> None:
        """Addresses are host:port; `environ` is what the configuration also reads."""
        self.log = log
        ports = free_ports(2)
        self.presence, self.backend = (f"http://127.0.0.1:{port}" for port in ports)
        names = ("PRESENCE_BIND", "BACKEND_BIND", "PRESENCE_1", "PRESENCE_2", "BACKEND_1", "BACKEND_2")
        values = (*(f"127.0.0.1:{port}" for port in ports), *presence, *backends)
        env = {
            **os.environ,
            **dict(zip(names, values, strict=True)),
            "CHECK_INTERVAL": "200ms",
            "MAXCONN": "2000",
            **environ,
        }
        with log.open("ab") as output:
            self._process = subprocess.Popen(["haproxy", "-db", "-f", CONFIG], env=env, stdout=output, stderr=output)
        deadline = time.monotonic() + 10
        while any(not _listens(port) for port in ports):
            assert self._process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
