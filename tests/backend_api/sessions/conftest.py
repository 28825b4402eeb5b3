"""The sessions on a database of their own, with a clock that the test moves."""

from dataclasses import dataclass, field, replace

import pytest

from backend_api.contract.sessions import LeaseReport
from backend_api.contract.wire import at
from backend_api.nodes.store import NodeStore
from backend_api.sessions.documents import indexes
from backend_api.sessions.lifecycle import Fact, Interval, Session, merged
from backend_api.sessions.store import SessionStore
from backend_api.sessions.sweep import Sweep

KINDS = ("listening", "tutoring", "study")


@dataclass
class Sessions:
    """Everything of the core, wired as the program wires it. `told` is what the kinds were told of."""

    mongo: object
    clock: object
    told: list = field(default_factory=list)

    def __post_init__(self):
        self.nodes = NodeStore(self.mongo, self.clock)
        self.store = SessionStore(self.mongo, self.nodes.leases, self.clock, dict.fromkeys(KINDS, self.tell))
        self.sweep = Sweep(self.store, self.nodes, self.clock, KINDS)

    async def tell(self, record):
        self.told.append(record)

    def restarted(self):
        """The same in a process that starts now."""
        return replace(self)

    async def lease(self, node="n1", boot=1, complete=None):
        now = self.clock()
        complete = now if complete is None else complete
        return await self.nodes.renew(LeaseReport(node=node, boot=boot, at=at(now), complete_through=at(complete)))

    async def ensure(self):
        await self.mongo.ensure(indexes(730 * 86_400, embedded=True))
        return self


def interval(start, end=None, reason="disconnect", *, name="i1", node="n1", version=1, boot=1, seen=None):
    seen = start if seen is None else seen
    closed = (None, None) if end is None else (end, reason)
    return Interval(name, node, boot, version, start, seen if end is None else end, *closed)


def session(*intervals, name="s1", kind="listening", **facts):
    known = {key: Fact(intervals[0].started_at, value) for key, value in facts.items()}
    return merged(None, *(Session(name, kind, (one,), known) for one in intervals))


@pytest.fixture
async def sessions(open_mongo, clock):
    """On the embedded database."""
    return await Sessions(open_mongo(), clock).ensure()
