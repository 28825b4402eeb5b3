"""`scripts/up` as a newcomer meets it: what it prints, what it keeps, how it ends."""

import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest


def test_one_command_starts_everything_and_a_signal_stops_it_cleanly(start_stack):
    """Ready with links; SIGTERM ends with 0 and leaves no process behind."""
    stack = start_stack().wait_ready()
    printed = "\n".join(stack.lines)
    pids = [stack.pid_of("presence_server"), stack.pid_of("backend_api")]
    assert f"{stack.backend}/viewers/auction:demo#token=" in printed
    assert stack.call("GET", "/readyz")[0] == 200

    assert stack.stop() == 0

    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert stat.S_IMODE((stack.data / "secrets.toml").stat().st_mode) == 0o600


def test_a_second_start_keeps_data_and_secrets(start_stack):
    """What was saved before the restart is there after it, under the same key."""
    first = start_stack().wait_ready()
    path = "/api/v1/auctions/kept/analytics"
    part = {"viewerCount": 3, "avgViewers": 2.5, "peakViewers": 4}
    assert first.call("POST", f"{path}/snapshot", part) == (200, {"success": True, "data": {"saved": True}})
    assert first.stop() == 0

    second = start_stack().wait_ready()
    status, answer = second.call("GET", f"{path}/viewers?timeRange=all")

    assert status == 200
    assert [point["peakViewers"] for point in answer["data"]["snapshots"]] == [4]


@pytest.mark.parametrize("package", ["backend_api", "presence_server", "secantusd-py"])
def test_when_one_process_dies_the_others_stop_and_it_says_why(start_stack, package):
    """A dead process never leaves half a stack running."""
    stack = start_stack().wait_ready()
    program = package if package != "secantusd-py" else "--standalone"
    stack.kill(program)

    assert stack.wait_ended() == 1

    assert "was ended by signal 9 (log: " in stack.lines[-1]
    assert "the others were stopped" in stack.lines[-1]


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


def test_two_stacks_on_one_folder_are_refused(start_stack):
    """The second says that the folder is in use; the first goes on."""
    first = start_stack().wait_ready()
    second = start_stack()
    assert second.wait_ended() == 75
    assert "another stack is running" in second.lines[-1]
    assert first.call("GET", "/livez")[0] == 200


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
    while "_socket" not in Path(f"/proc/{stack.process.pid}/maps").read_text():
        time.sleep(0.001)  # Until then it is the interpreter that starts, and nothing of ours has run.
    time.sleep(seconds)  # The moment is what is tested.
    stack.process.send_signal(signal.SIGINT)
    assert stack.wait_ended() in {0, 130, -signal.SIGINT}
    assert not [line for line in stack.lines if "Traceback" in line]


def test_the_supervisor_killed_outright_leaves_nothing_running(start_stack):
    """Even kill -9 of the supervisor ends its programs: no database is left that nobody knows of."""
    stack = start_stack().wait_ready()
    pids = [stack.pid_of(program) for program in ("presence_server", "backend_api", "--standalone")]
    stack.process.kill()
    deadline = time.monotonic() + 30
    while any(_is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "still running"
        time.sleep(0.1)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


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
    deadline = time.monotonic() + 90
    for path, is_alive in looks.items():
        while not is_alive((answer := stack.call("GET", path))[1]["data"]):
            assert time.monotonic() < deadline, (path, answer)
            time.sleep(0.5)
