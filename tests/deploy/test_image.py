"""The Dockerfile: by the linter, and what its steps would install, done here without an engine. It was never built."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY, ROOT, image_environment

TEXT = (DEPLOY / "Dockerfile").read_text()


def test_the_linter_has_nothing_to_say():
    """Hadolint with its usual rules."""
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_nobody_in_particular_and_is_asked_whether_it_lives():
    """A number, so that platforms can see that it is not root; the data folder is the one that it may write."""
    assert re.findall(r"^USER (.*)$", TEXT, re.MULTILINE) == ["10001:10001"]
    assert "HEALTHCHECK" in TEXT
    assert f"VOLUME {image_environment()['PRESENCE__DATA_DIR']}" in TEXT


def _copied() -> list[tuple[list[str], str]]:
    """The sources and the target of every COPY of the build stage."""
    words = [line.split()[1:] for line in TEXT.splitlines() if line.startswith("COPY") and "--from" not in line]
    return [(sources, target) for *sources, target in words]


def test_what_is_copied_is_there_and_let_through():
    """The ignore file of the image shuts out everything else: keys, data, tests."""
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for sources, _ in _copied():
        for source in sources:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_what_it_installs_is_the_whole_product(tmp_path):
    """The build stage's own steps, in a folder: both programs start from what they install, pages and all."""
    source, installed = tmp_path / "src", tmp_path / "installed"
    for sources, target in _copied():
        for name in sources:
            place = source / target / (Path(name).name if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, place)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed), str(source)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("NOT RUN: what builds the package could not be downloaded")
    assert done.returncode == 0, done.stderr
    tracked = subprocess.run(
        ["git", "ls-files", "presence_server", "backend_api"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    shipped = [name for name in tracked.stdout.splitlines() if not name.endswith((".c", ".md"))]
    assert [name for name in shipped if not (installed / name).exists()] == []
    if shutil.which("cc") is not None:
        assert list(installed.glob("presence_server/engine/_straight*.so"))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)} | {
        "INTERNAL__API_KEY": "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe",
        "AUTH__SECRET": "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G",
    }
    for package in ("presence_server", "backend_api"):
        subprocess.run([sys.executable, "-m", package, "--check-config"], cwd=tmp_path, env=env, check=True)
