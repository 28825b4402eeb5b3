"""Takes parts in: which are valid, which are wanted, which are new. Each is judged alone; none spoils a batch.

A part is wanted if its room is recorded when the part arrives, whatever it was in the part's minute: minutes that
waited out an outage are saved or dropped by the switch as it is by then. Nothing keeps what a switch used to be.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter

from backend_api.contract.snapshots import PartResult, RoomPart
from backend_api.viewers.documents import Arrived
from backend_api.viewers.history import MINUTE_SECONDS
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.ranges import floor_to
from backend_api.viewers.settings import RoomSwitches
from backend_api.viewers.store import PartStore


class Sent(NamedTuple):
    """A part as it came, with the room that the path or the part itself named."""

    room: str
    part: RoomPart


class Refused(NamedTuple):
    """What came in the place of a part, and what is wrong with it."""

    errors: list[str]


class Intake:
    """The way in for parts."""

    def __init__(self, store: PartStore, switches: RoomSwitches, keeping: Keeping, registry: CollectorRegistry) -> None:
        self._store = store
        self._switches = switches
        self._keeping = keeping
        self._counter = Counter(
            "viewer_parts", "Parts that arrived, by what became of them", ["status"], registry=registry
        )

    async def take(self, sent: Sequence[Sent | Refused], now: float) -> list[PartResult]:
        """What became of each, in order. Raises PyMongoError, and then all may be sent again."""
        judged = [self._judge(item, now) for item in sent]
        arrived = {index: item for index, item in enumerate(judged) if isinstance(item, Arrived)}
        results = {index: item for index, item in enumerate(judged) if isinstance(item, PartResult)}
        recorded = await self._switches.recorded({item.room for item in arrived.values()})
        wanted = {index: item for index, item in arrived.items() if item.room in recorded}
        results |= dict.fromkeys(arrived.keys() - wanted.keys(), PartResult(status="disabled"))
        results |= await self._save(wanted)
        for result in results.values():
            self._counter.labels(result.status).inc()
        return [results[index] for index in range(len(sent))]

    async def _save(self, wanted: Mapping[int, Arrived]) -> dict[int, PartResult]:
        news = await self._store.save(list(wanted.values()))
        return {
            index: PartResult(status="saved" if is_new else "duplicate")
            for index, is_new in zip(wanted, news, strict=True)
        }

    def _judge(self, item: Sent | Refused, now: float) -> Arrived | PartResult:
        if isinstance(item, Refused):
            return PartResult(status="invalid", errors=item.errors)
        timestamp = item.part.timestamp
        minute_at = floor_to(now if timestamp is None else timestamp.timestamp(), MINUTE_SECONDS)
        refusal = self._keeping.refusal(minute_at, now)
        if refusal is not None:
            return PartResult(status="invalid", errors=[refusal])
        return Arrived(item.room, minute_at, item.part)
