"""The stack's data folder."""

import time

from presence_server.delivery.outbox import opened
from scripts.stack.folder import left_behind


async def test_reports_of_processes_that_are_not_started_any_more_are_found(tmp_path):
    """Those with a higher number only; empty folders and other things beside them are none."""
    for name in ("presence", "presence-2", "presence-3", "presence-old"):
        (tmp_path / name).mkdir()
        async with opened(tmp_path / name / "outbox.db", 2**20, time.time) as outbox:
            await outbox.add("/internal/v1/snapshots", [b'{"snapshots":[]}'] * 2)
    (tmp_path / "presence-4").mkdir()
    assert left_behind(tmp_path / "presence", 2) == [(tmp_path / "presence-3", 2)]
    assert left_behind(tmp_path / "presence", 3) == []
