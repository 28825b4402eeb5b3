"""The README's examples do what it says, on the programs and the keys that `scripts/up` starts."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from tests.end_to_end.running import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

README = (ROOT / "README.md").read_text()
PART = {"viewerCount": 3, "avgViewers": 2.5, "peakViewers": 4}


def _block(language: str, holding: str) -> str:
    """The one code block of a language that holds a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    [block] = [block for block in blocks if holding in block]
    return block


def _run(command: list[str], folder: Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest_asyncio.fixture(loop_scope="session")
async def run(shared, name):
    """Runs a block as a newcomer would, beside the folder that has the keys; what it prints."""
    await shared.tell("POST", f"/api/v1/auctions/{name}/analytics/snapshot", PART)

    async def run(block, *program):
        block = block.replace("127.0.0.1:8080", f"127.0.0.1:{shared.ports.backend}").replace("demo", name)
        return await asyncio.to_thread(_run, [*program, block], shared.data.parent)

    return run


@pytest.mark.parametrize(
    ("program", "language", "holding", "wanted"),
    [
        (("bash", "-c"), "sh", "timeRange=24h", '"overallPeak":4'),
        ((sys.executable, "-c"), "python", "BackendClient", "4\n"),
    ],
)
async def test_an_internal_service_calls_the_backend_as_shown(run, program, language, holding, wanted):
    """The curl line with the plain key and the Python lines with a signature read the same history."""
    assert wanted in await run(_block(language, holding), *program)


async def test_sessions_are_asked_for_as_shown(run):
    """Listening time and its table, a link to a lesson, a learner's hours: the curl lines answer what they say."""
    key = _block("sh", "timeRange=24h").splitlines()[0]
    wanted = {
        "listening-time": '"totalListeningTime":"0h 0m"',
        "teachers/students": '"trackingUrl":',
        "daily": '"days":[]',
    }
    for holding, said in wanted.items():
        assert said in await run(f"{key}\n{_block('sh', holding)}", "bash", "-ec")
