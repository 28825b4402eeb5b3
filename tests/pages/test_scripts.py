"""The scripts' pure parts and the client library, run by Node."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def test_the_scripts_do_what_their_tests_say():
    """`node --test` over the `.test.mjs` files beside this one; importing them there is importing on a server."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: THE JAVASCRIPT CLIENT WAS NOT TESTED")
    tests = sorted(map(str, FOLDER.glob("*.test.mjs")))
    assert tests
    run = subprocess.run([node, "--test", *tests], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
