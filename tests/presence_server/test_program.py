"""The program from outside: its exit status and its one line."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.presence_server.helpers import API_KEY, TOKEN_SECRET

ROOT = Path(__file__).parents[2]


def _start(tmp_path: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    secrets = {"INTERNAL__API_KEY": API_KEY, "AUTH__SECRET": TOKEN_SECRET, "PRESENCE__DATA_DIR": str(tmp_path / "data")}
    return subprocess.Popen(
        [sys.executable, "-m", "presence_server", "--port", "0", *arguments],
        stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **secrets, **environ},
    )  # fmt: skip


def _ready_url(process: subprocess.Popen[str]) -> str:
    for line in process.stderr:
        event = json.loads(line)
        if event["event"] == "ready":
            return event["url"]
    raise AssertionError("it ended before it was ready")


def _end(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_ready_and_a_signal_ends_it_well(tmp_path, number):
    """One line with its URL; exit status 0."""
    process = _start(tmp_path)
    assert _ready_url(process).startswith("http://127.0.0.1:")
    process.send_signal(number)
    status, lines = _end(process)
    assert status == 0
    assert json.loads(lines[-1])["event"] == "stopped"


def test_two_processes_cannot_share_a_folder_or_a_port(tmp_path):
    """One line that names what is in the way, and a status that says: try later."""
    first = _start(tmp_path)
    port = _ready_url(first).rpartition(":")[2]
    status, lines = _end(_start(tmp_path))
    assert (status, len(lines)) == (75, 1)
    assert lines[0].endswith("is in use by another presence server")
    status, lines = _end(_start(tmp_path, "--port", port, PRESENCE__DATA_DIR=str(tmp_path / "other")))
    assert (status, len(lines)) == (75, 1)
    assert lines[0].endswith("the port is in use")
    first.terminate()
    assert _end(first)[0] == 0


def test_a_killed_process_leaves_its_folder_to_the_next_one(tmp_path):
    """Its lock goes with it."""
    first = _start(tmp_path)
    _ready_url(first)
    first.kill()
    first.wait()
    second = _start(tmp_path)
    assert _ready_url(second)
    second.terminate()
    assert _end(second)[0] == 0


def test_settings_are_checked_without_starting(ends, tmp_path):
    """0 in silence, or 78 and one line."""
    assert _end(_start(tmp_path, "--check-config")) == (0, [])
    status, lines = ends("--check-config", PRESENCE__LIMITS__ROOMS_PER_SOCKET="0")
    assert (status, len(lines)) == (78, 1)
    assert "PRESENCE__LIMITS__ROOMS_PER_SOCKET" in lines[0]
    assert not (tmp_path / "data").exists()


def test_settings_without_a_key_for_reports_are_refused_without_starting(ends):
    """What would only be found out at the start is found out by the check: one line, 78."""
    keys = '[{"id": "k1", "secret": "%s", "scopes": ["read"]}]' % ("0f9a7c51d2e84b36" * 3)
    for arguments in ([], ["--check-config"]):
        status, lines = ends(*arguments, INTERNAL__SIGNING_KEYS=keys)
        assert (status, len(lines)) == (78, 1)
        assert "internal.signing_keys: none has the scopes snapshots" in lines[0]


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_it_is_not_ready_for_a_while_before_it_lets_go(tmp_path):
    """New connections are told so by readyz, and are still served, until the time is over."""
    process = _start(tmp_path, PRESENCE__DRAIN_SECONDS="1.5")
    url = _ready_url(process)
    assert _status(url) == 200
    process.terminate()
    said = json.loads(process.stderr.readline())
    assert (said["event"], said["seconds"]) == ("draining", 1.5)
    assert _status(url) == 503
    with urllib.request.urlopen(f"{url}/socket.io/?EIO=4&transport=polling", timeout=30) as answer:
        assert answer.status == 200
    assert _end(process)[0] == 0


def test_a_broken_outbox_is_one_line(tmp_path):
    """Named, before anything is served."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "outbox.db").write_bytes(b"something else entirely" * 100)
    status, lines = _end(_start(tmp_path))
    assert (status, len(lines)) == (75, 1)
    assert "outbox" in lines[0]
