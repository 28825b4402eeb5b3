"""What is known of a channel's listeners: listening time and the listeners' report."""

from zoneinfo import ZoneInfo

from backend_api.listening.channels import Channels
from backend_api.listening.days import tomorrow
from backend_api.listening.reports import ListenersReport, ListeningTime
from backend_api.listening.rollups import Rollups
from backend_api.listening.source import Source
from backend_api.sessions.ranges import Period, Range, period_range
from backend_api.sessions.statistics import WholeSpan


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
            return await self._time(channel_id, (0, tomorrow(now)))
        asked = period_range(period, now, await self.zone(channel_id, tz))
        return await self._time(channel_id, (asked.start_at, asked.end_at))

    async def listeners(self, channel_id: str, asked: Range) -> ListenersReport:
        span = asked.start_at, asked.end_at
        return (await self._rollups.reports(self.source, channel_id, span, asked.zone)).report(asked.zone)

    async def _time(self, channel_id: str, span: WholeSpan) -> ListeningTime:
        return (await self._rollups.sums(self.source, channel_id, span)).time()
