"""Remembers what the rollups stand on: the time zone of their days, and since when raw events are complete.

Both outlive a change of the settings. A longer retention does not bring back what was removed, so days of that time
are never recounted; and hours of two time zones cannot be mixed, so the zone of the first event stays in force.
"""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import structlog

from backend_api.contract.wire import at as time_of
from backend_api.db import Document, Mongo
from backend_api.engagement.documents import EVENT_IDS, FOUNDATIONS, TRACK_STATS
from backend_api.engagement.periods import DAY_SECONDS
from backend_api.engagement.retention import Retention

CHECK_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Foundations:
    """`refresh` brings the retention and its calendar, which all of engagement shares, up to what is remembered."""

    def __init__(self, mongo: Mongo, retention: Retention, now: Callable[[], float]) -> None:
        self._collection = mongo[FOUNDATIONS]
        self._in_zone = mongo[EVENT_IDS], mongo[TRACK_STATS.hours]
        self._retention = retention
        self._configured = retention.calendar.zone
        self._now = now
        self._refresh_at = 0.0

    async def refresh(self) -> None:
        """Asks the database once a minute, and before anything is done with hours or days."""
        now = self._now()
        if now < self._refresh_at:
            return
        zone = await self._remember(now)
        if zone != self._configured:
            log.error("engagement_time_zone_kept", rolled_up_in=zone, configured=self._configured)
        self._retention.calendar.use(ZoneInfo(zone))
        self._refresh_at = now + CHECK_SECONDS

    async def _remember(self, now: float) -> str:
        raw_days = self._retention.raw_days
        known = await self._collection.find_one({"_id": "rollups"}) or {"zone": self._configured, "rawDays": raw_days}
        removed_at = self._retention.removed_at = _removed_at(known, now)
        change: Document = {"$max": {"removedBefore": time_of(removed_at)}, "$set": {"rawDays": raw_days}}
        if known["zone"] != self._configured and await self._is_unused():
            known["zone"] = self._configured
        change["$set"]["zone"] = known["zone"]
        await self._collection.update_one({"_id": "rollups"}, change, upsert=True)
        return str(known["zone"])

    async def _is_unused(self) -> bool:
        """Whether no event has come yet: nothing is kept by the days of a zone."""
        return not any([await collection.find_one({}, {"_id": 1}) for collection in self._in_zone])


def _removed_at(known: Document, now: float) -> float:
    """With the retention that was configured last time, up to now: the database may have gone on removing."""
    remembered: float = known["removedBefore"].timestamp() if "removedBefore" in known else 0.0
    return max(remembered, now - float(known["rawDays"]) * DAY_SECONDS)
