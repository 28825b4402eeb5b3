"""A folder of secrets as the platforms mount it."""

from pathlib import Path

import pytest

from tests.deploy.manifests import SECRETS


@pytest.fixture
def mounted(tmp_path):
    """Makes the folder that holds these secrets."""

    def mount(names: list[str]) -> Path:
        folder = tmp_path / "-".join(names)
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text(SECRETS[name] + "\n")
        return folder

    return mount
