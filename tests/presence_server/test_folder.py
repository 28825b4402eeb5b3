"""One process a folder, one name a folder, boots that only grow."""

import subprocess
import sys

import pytest

from backend_api.service.errors import StartError
from presence_server.folder import DataFolder

ENTER = """
import pathlib, sys
from presence_server.folder import DataFolder
DataFolder(pathlib.Path(sys.argv[1])).__enter__()
"""


def test_a_second_process_is_told_in_one_line(tmp_path):
    """And may have the folder once the first has left."""
    with DataFolder(tmp_path):
        second = subprocess.run(
            [sys.executable, "-c", ENTER, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert "is in use by another presence server" in second.stderr.splitlines()[-1]
    with DataFolder(tmp_path):
        pass


def test_the_nodes_name_is_made_up_once(tmp_path):
    """Two folders on one host are two nodes; a restart is the same one."""
    with DataFolder(tmp_path / "a") as folder:
        first = folder.node()
    with DataFolder(tmp_path / "a") as folder:
        assert folder.node() == first
    with DataFolder(tmp_path / "b") as folder:
        assert folder.node() != first


def test_the_last_boot_is_remembered(tmp_path):
    """A new folder has none; a file that was damaged counts as none."""
    with DataFolder(tmp_path) as folder:
        assert folder.last_boot() == 0
        folder.keep_boot(1_800_000_000_000)
        assert folder.last_boot() == 1_800_000_000_000
        (tmp_path / "boot").write_text("?")
        assert folder.last_boot() == 0


@pytest.mark.parametrize("name", ["no name", "-" * 200, "n\u00e4me", "a\nb"])
def test_a_nodes_name_that_the_backend_would_not_take_is_refused_at_start(tmp_path, name):
    """Every report would be set aside; the line names the file."""
    (tmp_path / "node").write_text(name)
    with DataFolder(tmp_path) as folder, pytest.raises(StartError, match="/node: not a name of a node"):
        folder.node()


@pytest.mark.parametrize("name", ["boot", "boot.new", "node", "node.new"])
def test_files_that_cannot_be_used_are_one_clear_line(tmp_path, name):
    """A folder stands in their place."""
    (tmp_path / name).mkdir()
    with DataFolder(tmp_path) as folder, pytest.raises(StartError, match="Is a directory"):
        folder.keep_first_boot(folder.last_boot() + 1)
        folder.node()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    """Named, with the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"presence.data_dir .*/file/data cannot be written: Not a directory"):
        DataFolder(tmp_path / "file" / "data").__enter__()
