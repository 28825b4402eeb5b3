"""`scripts/rebuild_rollups` against a backend that works off what it was given."""

import asyncio
import signal
import sys
from datetime import date

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.progress import Progress

from scripts.stack import keyring, rebuild
from scripts.stack.backend import Backend, BackendError


class Working:
    """Says how many days are open: of the range that was marked fewer every time it is asked, of others always some."""

    def __init__(self, *left):
        self.left, self.asked = list(left), []

    async def call(self, method, path, body=None):
        self.asked.append((method, path, body))
        if method == "POST":
            return {"openDays": 40, "today": "2026-11-21"}
        return {"openDays": self.left.pop(0) if "?" in path else 7, "today": "2026-11-21"}


async def test_it_marks_the_range_and_waits_until_nothing_is_open(monkeypatch):
    """The bar ends full."""
    monkeypatch.setattr(rebuild, "LOOK_SECONDS", 0)
    backend, progress = Working(30, 10, 0), Progress(disable=True)
    assert await rebuild.rebuild(backend, date(2026, 11, 1), date(2026, 11, 21), progress) == 40
    assert backend.asked[0] == ("POST", "/api/admin/rollups", {"from": "2026-11-01", "to": "2026-11-21"})
    assert backend.left == []
    assert progress.tasks[0].finished


async def test_it_follows_its_own_range_and_no_other_days(monkeypatch):
    """A live service always has open days: those that it marked itself are what it waits for."""
    monkeypatch.setattr(rebuild, "LOOK_SECONDS", 0)
    backend = Working(12, 0)
    await rebuild.rebuild(backend, date(2026, 11, 1), date(2026, 11, 3), Progress(disable=True))
    assert {path for method, path, _ in backend.asked if method == "GET"} == {
        "/api/admin/rollups?from=2026-11-01&to=2026-11-03"
    }


@pytest.mark.parametrize(
    ("first", "last", "asked"),
    [
        (None, None, {"from": "2026-10-22", "to": "2026-11-21"}),
        (None, date(2026, 10, 31), {"from": "2026-10-01", "to": "2026-10-31"}),
        (date(2026, 11, 20), None, {"from": "2026-11-20", "to": "2026-11-21"}),
    ],
)
async def test_a_range_that_is_not_named_ends_with_the_backends_today(first, last, asked):
    """In its time zone, whatever day it is here."""
    backend = Working(0)
    await rebuild.rebuild(backend, first, last, Progress(disable=True))
    assert ("POST", "/api/admin/rollups", asked) in backend.asked


@pytest.mark.parametrize("module", ["scripts.stack.rebuild", "scripts.stack.seed"])
async def test_interrupting_it_is_one_line(module, tmp_path):
    """No traceback, and the exit code of an interrupted program."""
    keyring.load_or_make(tmp_path)
    is_asked = asyncio.Event()

    async def hang(_request):
        is_asked.set()
        await asyncio.sleep(60)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", hang)
    server = TestServer(app)
    await server.start_server()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, "--data", tmp_path, "--backend", str(server.make_url(""))),
        stderr=asyncio.subprocess.PIPE,
    )
    await asyncio.wait_for(is_asked.wait(), 30)
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    await server.close()
    assert process.returncode == 130
    assert said.decode().splitlines()[-1] == "interrupted"
    assert "Traceback" not in said.decode()


@pytest.mark.parametrize("wrong", ["yesterday", "2026-13-01"])
def test_a_day_that_is_none_is_named(wrong, capsys):
    """In words, with an example."""
    with pytest.raises(SystemExit):
        rebuild.main(["--from", wrong])
    assert f"'{wrong}' is not a day such as 2026-11-21" in capsys.readouterr().err


async def test_a_backend_that_does_not_answer_is_one_clear_line():
    """Named by its address."""
    async with Backend("http://127.0.0.1:9", "key") as backend:
        with pytest.raises(BackendError, match=r"http://127\.0\.0\.1:9 does not answer"):
            await backend.call("GET", "/api/admin/rollups")


def test_without_the_stacks_secrets_it_says_what_to_do(tmp_path, capsys):
    """And ends with 1."""
    assert rebuild.main(["--data", str(tmp_path)]) == 1
    assert "start scripts/up" in capsys.readouterr().err
