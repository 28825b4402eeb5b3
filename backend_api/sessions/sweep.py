"""Ends the sessions whose time has come, at their own last sign of life, however late it looks."""

import asyncio
from collections.abc import Callable, Sequence

from backend_api.contract.sessions import SessionKind
from backend_api.nodes.store import NodeStore
from backend_api.sessions.lifecycle import Session, judge
from backend_api.sessions.store import SessionStore

PERIOD_SECONDS = 10.0
LESSONS_PERIOD_SECONDS = 180.0
REST_EVERY = 200
"""After so many sessions others get a turn."""
TOGETHER = 100
"""So many are ended at once."""


class Sweep:
    """Goes through the active sessions of the given kinds. `run` is one round."""

    def __init__(
        self, store: SessionStore, nodes: NodeStore, now: Callable[[], float], kinds: Sequence[SessionKind]
    ) -> None:
        self._store = store
        self._nodes = nodes
        self._now = now
        self._kinds = kinds

    async def run(self) -> None:
        leases = await self._nodes.leases()
        for kind in self._kinds:
            over: list[Session] = []
            seen = 0
            async for session in self._store.each_active(kind):
                seen += 1
                if judge(session, leases, self._now()).status != "active":
                    over.append(session)
                if seen % REST_EVERY == 0:
                    await asyncio.sleep(0)
                if len(over) == TOGETHER:
                    await self._store.merge(over)
                    over = []
            await self._store.merge(over)
        await self._nodes.forget()
