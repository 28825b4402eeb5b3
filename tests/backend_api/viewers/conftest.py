"""The viewer feature on a database of its own, with a clock that the test moves, and parts to feed it."""

from dataclasses import dataclass, replace
from datetime import UTC

import pytest
from prometheus_client import CollectorRegistry

from backend_api.contract.snapshots import RoomPart
from backend_api.contract.wire import at, rfc3339
from backend_api.viewers.charts import Asked, Charts
from backend_api.viewers.documents import indexes
from backend_api.viewers.intake import Intake, Sent
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.packer import Packer
from backend_api.viewers.reader import HistoryReader
from backend_api.viewers.rooms import RoomDirectory
from backend_api.viewers.settings import EVERY_KIND, RoomSwitches
from backend_api.viewers.store import PartStore

DAY = 86_400
KEEPING = Keeping(parts_seconds=8 * DAY, minutes_seconds=90 * DAY, summaries_seconds=730 * DAY)
ROOM = "auction:demo"


@dataclass
class Viewers:
    """Everything of the feature, wired as the program wires it."""

    mongo: object
    clock: object
    keeping: Keeping = KEEPING

    def __post_init__(self):
        self.store = PartStore(self.mongo, self.clock)
        self.reader = HistoryReader(self.mongo, self.keeping, self.clock)
        self.charts = Charts(self.reader, self.keeping, UTC, self.clock)
        self.packer = Packer(self.mongo, self.keeping, self.clock)
        self.switches = RoomSwitches(self.mongo, [EVERY_KIND], self.clock)
        self.intake = Intake(self.store, self.switches, self.keeping, CollectorRegistry())
        self.directory = RoomDirectory(self.mongo)

    def other_process(self, **changes):
        """The same feature in another process on the same database."""
        return replace(self, **changes)

    async def take(self, *parts, room=ROOM):
        """The status of each part."""
        results = await self.intake.take([Sent(room, part) for part in parts], self.clock())
        return [result.status for result in results]

    async def history(self, room=ROOM, **asked):
        return await self.charts.history(room, Asked(**asked))

    async def ensure(self):
        await self.mongo.ensure(indexes(self.keeping))
        return self


@pytest.fixture
async def viewers(mongo, clock):
    """The feature through every driver."""
    return await Viewers(mongo, clock).ensure()


@pytest.fixture
async def viewers_once(open_mongo, clock):
    """The feature through one driver, for what the driver does not matter to."""
    return await Viewers(open_mongo(), clock).ensure()


@pytest.fixture
def make_part():
    """A part of a minute in which `count` viewers stayed: on all of its twelve slots, or on those named."""

    def make(minute_at, count=1, *, node="n1", boot=1, numbers=range(12), roster=None, part=None):
        slots = [[number, count, count, count, count, count * 5, 5] for number in numbers]
        return RoomPart.model_validate(
            {"timestamp": rfc3339(at(minute_at)), "viewerCount": count, "avgViewers": count, "peakViewers": count,
             "node": node, "boot": boot, "part": part, "slots": slots, "roster": roster}
        )  # fmt: skip

    return make


@pytest.fixture
def viewers_on():
    """Wires the feature on a given database and clock."""
    return Viewers
