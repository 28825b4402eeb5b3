"""How long what is kept, and what follows from it: which parts are still taken, which hours may be packed. Pure."""

from dataclasses import dataclass

from backend_api.viewers.history import HOUR_SECONDS
from backend_api.viewers.ranges import DAY_SECONDS

FUTURE_SECONDS = 300
"""How far ahead of the backend's clock a part may be."""
LATE_SECONDS = 120
"""How long after its end an hour still counts as open: in this time the parts of its last minutes arrive."""
PACKING_MARGIN_SECONDS = 60
"""How long after that it is packed, so that no process still takes the hour for an open one, whatever its clock."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long parts, minutes and summaries are kept."""

    parts_seconds: float
    minutes_seconds: float
    summaries_seconds: float

    def refusal(self, minute_at: int, now: float) -> str | None:
        """Why a part of that minute is not taken; None where it is."""
        if minute_at > now + FUTURE_SECONDS:
            return f"timestamp lies more than {FUTURE_SECONDS} seconds ahead"
        # A day is left for packing its hour while all of that hour's parts are there.
        if minute_at < now - self.parts_seconds + DAY_SECONDS:
            return (
                f"timestamp is too old: parts are taken for {(self.parts_seconds - DAY_SECONDS) / DAY_SECONDS:g} days"
            )
        return None

    def has_parts(self, hour_at: int, now: float) -> bool:
        """Whether all parts of that hour that ever arrived are surely still kept."""
        return hour_at > now - self.parts_seconds + HOUR_SECONDS

    def has_minutes(self, hour_at: int, now: float) -> bool:
        """Whether the packed minutes of that hour are still kept."""
        return hour_at + HOUR_SECONDS > now - self.minutes_seconds


def is_open(hour_at: int, now: float) -> bool:
    return now < hour_at + HOUR_SECONDS + LATE_SECONDS


def packable_before(now: float) -> float:
    """Hours that start before this moment may be packed."""
    return now - HOUR_SECONDS - LATE_SECONDS - PACKING_MARGIN_SECONDS
