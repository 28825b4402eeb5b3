"""The balancers of `deploy/` as processes: the real programs on the real configuration, with this test's addresses."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.running import ROOT, free_ports

DEPLOY = ROOT / "deploy"
NAMES = ("PRESENCE_BIND", "BACKEND_BIND", "PRESENCE_1", "PRESENCE_2", "BACKEND_1", "BACKEND_2")


class Balancer:
    """A balancer in front of two presence processes and two backends."""

    program = "haproxy"
    by_address = "source"
    """What PRESENCE_BALANCE is where a client shall stay on one process."""

    def __init__(self, folder: Path, presence: list[str], backends: list[str], **environ: str) -> None:
        """Addresses are host:port; `environ` is what the configuration also reads."""
        if shutil.which(self.program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"NOT RUN: there is no {self.program}")
        ports = free_ports(2)
        self.presence, self.backend = (f"http://127.0.0.1:{port}" for port in ports)
        self.log = folder / f"{self.program}.log"
        values = (*(f"127.0.0.1:{port}" for port in ports), *presence, *backends)
        command, env = self._command(folder, dict(zip(NAMES, values, strict=True)) | environ)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, env={**os.environ, **env}, stdout=output, stderr=output)
        deadline = time.monotonic() + 60
        while any(not _listens(port) for port in ports):
            assert self._process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _command(self, _folder: Path, variables: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        env = {"CHECK_INTERVAL": "200ms", "MAXCONN": "2000"} | variables
        return ["/usr/sbin/haproxy", "-db", "-f", str(DEPLOY / "haproxy.cfg")], env


class Nginx(Balancer):
    """The same in nginx, whose template is filled in as the image's entrypoint does it."""

    program = "nginx"
    by_address = "hash $remote_addr consistent"

    def _command(self, folder: Path, variables: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        text = (DEPLOY / "nginx.conf.template").read_text()
        for name, value in ({"PRESENCE_BALANCE": "least_conn", "FAIL_TIMEOUT": "1s"} | variables).items():
            text = text.replace(f"${{{name}}}", value)
        (folder / "presence.conf").write_text(text)
        places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{name}_temp_path {folder}/nginx-{name};\n" for name in places)
        (folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;\n"
            f"events {{ worker_connections 2000; }}\n"
            f"http {{ access_log off; {temporary} include {folder}/presence.conf; }}\n"
        )
        return ["/usr/sbin/nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")], {}


BALANCERS = [Balancer, Nginx]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
