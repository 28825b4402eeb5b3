"""The scripts' pure parts and the client library, run by Node."""

import shutil
import subprocess
from pathlib import Path

import playwright
import pytest

FOLDER = Path(__file__).parent
OLDEST_NODE = 20
"""Before it the test runner mocks timers by another signature."""


def _node():
    """The system's Node, or the one that the browser's driver brings where that is too old; None without either."""
    found = [shutil.which("node"), shutil.which(Path(playwright.__file__).parent / "driver" / "node")]
    return next((node for node in found if node is not None and _major(node) >= OLDEST_NODE), None)


def _major(node):
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return int(told.removeprefix("v").partition(".")[0] or 0)


def test_the_scripts_do_what_their_tests_say():
    """`node --test` over the `.test.mjs` files beside this one; importing them there is importing on a server."""
    node = _node()
    if node is None:
        pytest.skip(f"there is no node {OLDEST_NODE} or newer: THE JAVASCRIPT CLIENT WAS NOT TESTED")
    tests = sorted(map(str, FOLDER.glob("*.test.mjs")))
    assert tests
    run = subprocess.run([node, "--test", *tests], capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 0, run.stdout + run.stderr
