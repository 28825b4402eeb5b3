"""How large the installation is, and how its parts behave: the assumptions, each in its place. Pure."""

from dataclasses import dataclass
from itertools import accumulate

from presence_server.presence.book import ESTIMATE_ABOVE
from presence_server.presence.hearing import HOLD_SECONDS, REFRESH_SECONDS
from presence_server.presence.members import BEAT_SECONDS
from presence_server.presence.publisher import PERIOD_SECONDS
from presence_server.presence.scripts import IN_SCRIPT
from presence_server.presence.uniques import SKETCH_SECONDS, UNITE_SECONDS

__all__ = [
    "BEAT_SECONDS",
    "ESTIMATE_ABOVE",
    "HOLD_SECONDS",
    "IN_SCRIPT",
    "PERIOD_SECONDS",
    "REFRESH_SECONDS",
    "SKETCH_SECONDS",
    "UNITE_SECONDS",
    "Plan",
]

UPDATES_PER_SECOND = 10.0
"""A room hears its count at most so often."""

STORM_SECONDS = 10.0
"""In which the viewers of a node that died are back on the others."""


@dataclass(frozen=True, slots=True)
class Plan:
    """So many viewers in so many rooms on so many nodes; a viewer stays for `stay_seconds` on average."""

    viewers: int = 1_000_000
    rooms: int = 100_000
    nodes: int = 50
    stay_seconds: float = 600.0
    exponent: float = 1.0
    """Of Zipf's law: the n-th largest room has 1 / n ** exponent of the largest one's viewers."""

    def sizes(self) -> list[float]:
        """The mean number of viewers of each room, the largest first."""
        weights = [(number + 1) ** -self.exponent for number in range(self.rooms)]
        total = sum(weights)
        return [self.viewers * weight / total for weight in weights]

    def cumulative(self) -> list[float]:
        return list(accumulate(self.sizes()))
