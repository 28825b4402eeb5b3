"""The contract of a presence backend: what a room has on all nodes, told to whoever counts it on this one.

What other nodes say expires: nothing is believed of a node for longer than about 13 s after its last sign of life,
and what a node said of a room is gone from the store within 180 s unless that node says it again.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from presence_server.history.rosters import Holder
from presence_server.rooms import CountChange, Counts

Announce = Callable[[str], None]
"""Told of a room that is another one now although nothing changed in it here."""

NO_MARKS: Mapping[str, object] = MappingProxyType({})


class PresenceBackend(Protocol):
    """One process alone (`memory`), or one of many (`redis`). Nothing here waits, apart from what says so."""

    def changed(self, change: CountChange) -> bool:
        """A count changed here; False where the room's sockets shall hear of it only when more is known of the room."""

    def opening(self, room: str) -> Coroutine[Any, Any, None] | None:
        """Of a room that is joined or watched, None where it is known, else what to await before saying what it is.

        It takes a moment at most.
        """

    def total(self, counts: Counts) -> Counts:
        """The room on all nodes, given what it is on this one."""

    def marks(self, room: str) -> Mapping[str, object]:
        """What a client has to know beside the count, as it is on the wire: `degraded`, `uniqueMode`."""

    def roster(self, room: str, minute_at: int) -> Sequence[Holder]:
        """The other nodes that are believed to have held the room in the minute that starts at `minute_at`.

        In order of their names. A node that came or went within a second or two of the minute's edge is left out:
        nobody's clock is that good, and it names itself in its own part.
        """

    async def trouble(self) -> str | None:
        """Why counts are this node's own only; None as long as all is well."""

    def measures(self) -> Mapping[str, float]:
        """For the metrics: what there is to measure, by its name there."""

    def background(self, announce: Announce) -> list[Coroutine[Any, Any, None]]:
        """What runs beside, until it is cancelled. `announce` hears of rooms that changed elsewhere."""

    async def leave(self) -> None:
        """Tell the others that this node ends; after its sockets and its background have. Takes a bounded time."""
