"""The contract of a presence backend: what a room has on all nodes, told to whoever counts it on this one.

What other nodes say expires: nothing is believed of a node for longer than about 13 s after its last sign of life,
and what a node said of a room is gone from the store within 180 s unless that node says it again.
"""

from typing import Protocol


class PresenceBackend(Protocol):
    """One process alone (`memory`), or one of many (`redis`)."""

    def roster(self, room: str, minute_at: int) -> tuple[str, ...]:
        """The other nodes that are believed to have held the room in the minute that starts at `minute_at`.

        In order of their names. A node that came or went within a second or two of the minute's edge is left out:
        nobody's clock is that good, and it names itself in its own part.
        """
