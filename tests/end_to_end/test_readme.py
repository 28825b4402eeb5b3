"""The README's examples do what it says, on the stack that it starts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.running import ROOT

README = (ROOT / "README.md").read_text()
PART = {"viewerCount": 3, "avgViewers": 2.5, "peakViewers": 4}


def _block(language: str, holding: str) -> str:
    """The one code block of a language that holds a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    [block] = [block for block in blocks if holding in block]
    return block


def _run(command: list[str], folder: Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("language", "holding", "wanted"),
    [("sh", "timeRange=24h", '"overallPeak":4'), ("python", "BackendClient", "4\n")],
)
def test_an_internal_service_calls_the_backend_as_shown(start_stack, language, holding, wanted):
    """The curl line with the plain key and the Python lines with a signature read the same history."""
    stack = start_stack().wait_ready()
    assert stack.call("POST", "/api/v1/auctions/demo/analytics/snapshot", PART)[0] == 200
    block = _block(language, holding).replace("127.0.0.1:8080", f"127.0.0.1:{stack.backend_port}")
    program = ["bash", "-c", block] if language == "sh" else [sys.executable, "-c", block]
    assert wanted in _run(program, stack.data.parent)


def test_sessions_are_asked_for_as_shown(start_stack):
    """Listening time and its table, a link to a lesson, a learner's hours: the curl lines answer what they say."""
    stack = start_stack().wait_ready()
    key = _block("sh", "timeRange=24h").splitlines()[0]
    wanted = {
        "listening-time": '"totalListeningTime":"0h 0m"',
        "teachers/students": '"trackingUrl":',
        "daily": '"days":[]',
    }
    for holding, said in wanted.items():
        block = _block("sh", holding).replace("127.0.0.1:8080", f"127.0.0.1:{stack.backend_port}")
        assert said in _run(["bash", "-ec", f"{key}\n{block}"], stack.data.parent)
