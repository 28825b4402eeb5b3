"""`scripts/up` as a newcomer meets it: what it prints, what it keeps, how it ends."""

import asyncio
import os
import re
import signal
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.end_to_end.crowd import Viewer
from tests.end_to_end.running import Stack

OFF = {"enableViewerAnalytics": False}
PART = {"viewerCount": 3, "avgViewers": 2.5, "peakViewers": 4}


class Life(NamedTuple):
    """A first start in which things happened and which a signal ended, and a second one that runs."""

    printed: str
    left_over: list[int]
    exit_code: int
    second: Stack


def _history(stack: Stack, auction: str) -> list[dict[str, Any]]:
    status, answer = stack.call("GET", f"/api/v1/auctions/{auction}/analytics/viewers?timeRange=all")
    assert status == 200
    return answer["data"]["snapshots"]


def _history_once_there(stack: Stack, auction: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 60
    while not (points := _history(stack, auction)):
        assert time.monotonic() < deadline, "nothing arrived"
        time.sleep(0.1)
    return points


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """Somebody watches a room, and one that keeps no history, when the signal comes."""
    data = tmp_path_factory.mktemp("life") / "var"
    first = Stack(data).wait_ready()
    try:
        assert first.call("GET", "/readyz")[0] == 200
        pids = [first.pid_of("presence_server"), first.pid_of("backend_api")]
        assert first.call("PATCH", "/api/v1/auctions/quiet/settings", OFF) == (200, {"success": True, "data": OFF})
        saved = first.call("POST", "/api/v1/auctions/kept/analytics/snapshot", PART)
        assert saved == (200, {"success": True, "data": {"saved": True}})
        asyncio.run(_watch(first, then=first.process.terminate))
        exit_code = first.wait_ended()
    finally:
        first.process.kill()
    left_over = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    second = Stack(data).wait_ready()
    yield Life("\n".join(first.lines), left_over, exit_code, second)
    if second.process.poll() is None:
        second.stop()


async def _watch(stack: Stack, then: Callable[[], None]) -> None:
    """Viewers come to both rooms and stay until they are sent away."""
    viewers = [Viewer(), Viewer()]
    for viewer, room in zip(viewers, ("auction:loud", "auction:quiet"), strict=True):
        assert await viewer.join(stack.presence, room) == 1
    then()
    async with asyncio.timeout(60):
        for viewer in viewers:
            await viewer.client.wait()


def test_one_command_starts_everything_and_a_signal_stops_it_cleanly(life):
    """Ready with links; SIGTERM ends with 0 and leaves no process behind."""
    assert re.search(r"http://127\.0\.0\.1:\d+/viewers/auction:demo#token=", life.printed)
    assert (life.exit_code, life.left_over) == (0, [])
    assert stat.S_IMODE((life.second.data / "secrets.toml").stat().st_mode) == 0o600


def test_a_second_start_keeps_data_and_secrets(life):
    """What was saved before the restart is there after it, under the same key."""
    assert [point["peakViewers"] for point in _history(life.second, "kept")] == [4]


def test_nothing_is_saved_where_analytics_are_off_and_the_open_minute_survives_a_shutdown(life):
    """A disabled room leaves no history; an enabled one keeps the minute that a shutdown cut short."""
    assert {point["peakViewers"] for point in _history_once_there(life.second, "loud")} == {1}
    assert _history(life.second, "quiet") == []


def test_two_stacks_on_one_folder_are_refused(life):
    """The second says that the folder is in use; the first goes on."""
    other = Stack(life.second.data)
    assert other.wait_ended() == 75
    assert "another stack is running" in other.lines[-1]
    assert life.second.call("GET", "/livez")[0] == 200


def test_the_supervisor_killed_outright_leaves_nothing_running(life):
    """Even kill -9 of the supervisor ends its programs: no database is left that nobody knows of."""
    stack = life.second
    pids = [stack.pid_of(program) for program in ("presence_server", "backend_api", "--standalone")]
    stack.process.kill()
    deadline = time.monotonic() + 60
    while any(_is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "still running"
        time.sleep(0.1)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("package", ["backend_api", "--standalone"])
def test_when_one_process_dies_the_others_stop_and_it_says_why(start_stack, package):
    """A dead process never leaves half a stack running."""
    stack = start_stack().wait_ready()
    stack.kill(package)
    _assert_ended_by_a_death(stack)


def _assert_ended_by_a_death(stack: Stack) -> None:
    assert stack.wait_ended() == 1
    assert "was ended by signal 9 (log: " in stack.lines[-1]
    assert "the others were stopped" in stack.lines[-1]


async def test_a_killed_presence_server_ends_the_stack_and_loses_no_closed_slot(start_stack):
    """After kill -9 the next start files what the dead one had closed; the count starts at zero."""
    stack = start_stack().wait_ready()
    await Viewer().join(stack.presence)
    checkpoint = stack.data / "presence"
    async with asyncio.timeout(60):
        while not any(b"auction:demo" in path.read_bytes() for path in checkpoint.glob("checkpoint*")):
            await asyncio.sleep(0.1)
    stack.kill("presence_server")
    await asyncio.to_thread(_assert_ended_by_a_death, stack)

    again = await asyncio.to_thread(lambda: start_stack().wait_ready())
    points = await asyncio.to_thread(_history_once_there, again, "demo")
    assert (points[0]["peakViewers"], points[0]["minViewers"]) == (1, 1)
    assert await Viewer().join(again.presence) == 1


def test_a_port_in_use_is_one_clear_line(start_stack, tmp_path):
    """The line names the port and the option that chooses another; nothing is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = start_stack("--backend-port", str(port))
        assert stack.wait_ended() == 75
    assert len(stack.lines) == 1
    assert str(port) in stack.lines[0]
    assert "--backend-port" in stack.lines[0]


def test_a_folder_that_cannot_be_written_is_one_clear_line(start_stack, tmp_path):
    """A file where the folder should be: the line names it and says what to do."""
    (tmp_path / "var").write_text("")
    stack = start_stack()
    assert stack.wait_ended() == 78
    assert len(stack.lines) == 1
    assert "--data" in stack.lines[0]


def test_a_configuration_that_is_wrong_is_one_clear_line(start_stack, tmp_path):
    """An unknown key in the file stops the start with 78 and its name."""
    config = tmp_path / "config.toml"
    config.write_text("[presence]\nprot = 1\n")
    stack = start_stack("--config", str(config))
    assert stack.wait_ended() == 78
    assert "prot" in stack.lines[-1]


@pytest.mark.parametrize("seconds", [0, 0.2, 0.5, 1.1])
def test_ctrl_c_at_any_moment_of_the_start_ends_without_a_traceback(start_stack, seconds):
    """Whether it is loading, starting or waiting: no traceback, nothing left running."""
    stack = start_stack()
    while "_asyncio" not in Path(f"/proc/{stack.process.pid}/maps").read_text():
        assert stack.process.poll() is None, stack.lines
        time.sleep(0.001)  # Until then it is the interpreter that starts, and nothing of ours has run.
    time.sleep(seconds)  # The moment is what is tested.
    stack.process.send_signal(signal.SIGINT)
    assert stack.wait_ended() in {0, 130, -signal.SIGINT}
    assert not [line for line in stack.lines if "Traceback" in line]


def test_the_demo_shows_life_in_every_page_of_sessions(start_stack):
    """Within a minute: somebody listens, a lesson is on, a learner studies."""
    stack = start_stack("--demo").wait_ready()
    looks = {
        "/analytics/channels/demo/listening-time?period=today": lambda data: (
            data["activeSessions"] and data["totalSeconds"]
        ),
        "/api/admin/teacher-sessions?status=active": lambda data: data["sessions"],
        "/api/study-sessions/daily?userId=demo-learner": lambda data: data["days"] and data["days"][-1]["seconds"],
    }
    deadline = time.monotonic() + 150
    for path, is_alive in looks.items():
        while not is_alive((answer := stack.call("GET", path))[1]["data"]):
            assert time.monotonic() < deadline, (path, answer)
            time.sleep(0.5)
