"""What is known of a channel's listeners: listening time and the listeners' report."""

from zoneinfo import ZoneInfo

from backend_api.listening import reports
from backend_api.listening.channels import Channels
from backend_api.listening.reports import ListenersReport, ListeningTime
from backend_api.listening.rollups import Rollups
from backend_api.listening.rows import counted
from backend_api.listening.source import Source
from backend_api.sessions.ranges import Period, Range, period_range


class Station:
    """Answers for every channel."""

    def __init__(self, source: Source, rollups: Rollups, channels: Channels) -> None:
        self.source = source
        self.channels = channels
        self._rollups = rollups

    async def zone(self, channel_id: str | None, asked: str | None) -> ZoneInfo:
        return await self.channels.zone(channel_id, asked)

    async def listening_time(self, channel_id: str, period: Period, tz: str | None, now: float) -> ListeningTime:
        if period == "all_time":
            return await self._rollups.all_time(self.source, channel_id)
        asked = period_range(period, now, await self.zone(channel_id, tz))
        rows = await self.source.rows(channel_id, asked.start_at, asked.end_at)
        sessions = counted(rows, asked.start_at, asked.end_at)
        lengths = sum(reports.length_in(some, asked.start_at, asked.end_at) for some in sessions)
        people = {some.row.person for some in sessions}
        active = sum(row.status == "active" for row in rows)
        total = sum(some.seconds for some in sessions)
        return reports.listening_time(total, len(sessions), lengths, (len(people), True), active)

    async def listeners(self, channel_id: str, asked: Range) -> ListenersReport:
        rows = await self.source.rows(channel_id, asked.start_at, asked.end_at)
        return reports.listeners(counted(rows, asked.start_at, asked.end_at), asked.zone)
