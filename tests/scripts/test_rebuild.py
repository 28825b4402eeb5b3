"""`scripts/rebuild_rollups` against a backend that works off what it was given."""

from datetime import date

import pytest
from rich.progress import Progress

from scripts.stack import rebuild
from scripts.stack.backend import Backend, BackendError


class Working:
    """Says how many days are open: fewer every time it is asked."""

    def __init__(self, *left):
        self.left, self.asked = list(left), []

    async def call(self, method, path, body=None):
        self.asked.append((method, path, body))
        return {"openDays": 40 if method == "POST" else self.left.pop(0)}


async def test_it_marks_the_range_and_waits_until_nothing_is_open(monkeypatch):
    """The bar ends full."""
    monkeypatch.setattr(rebuild, "LOOK_SECONDS", 0)
    backend, progress = Working(30, 10, 0), Progress(disable=True)
    assert await rebuild.rebuild(backend, date(2026, 11, 1), date(2026, 11, 21), progress) == 40
    assert backend.asked[0] == ("POST", "/api/admin/rollups", {"from": "2026-11-01", "to": "2026-11-21"})
    assert backend.left == []
    assert progress.tasks[0].finished


async def test_a_backend_that_does_not_answer_is_one_clear_line():
    """Named by its address."""
    async with Backend("http://127.0.0.1:9", "key") as backend:
        with pytest.raises(BackendError, match=r"http://127\.0\.0\.1:9 does not answer"):
            await backend.call("GET", "/api/admin/rollups")


def test_without_the_stacks_secrets_it_says_what_to_do(tmp_path, capsys):
    """And ends with 1."""
    assert rebuild.main(["--data", str(tmp_path)]) == 1
    assert "start scripts/up" in capsys.readouterr().err
