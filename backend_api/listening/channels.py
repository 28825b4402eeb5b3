"""What channels are called and where their day begins; the host application tells."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import StringConstraints

from backend_api.contract.wire import Wire
from backend_api.db import Mongo
from backend_api.sessions.ranges import Zone

COLLECTION = "channels"


class Channel(Wire):
    """A channel as pages and tables name it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    timezone: Zone | None = None


class Channels:
    """The channels that are known by name; any other is called by its id."""

    def __init__(self, mongo: Mongo, timezone: str) -> None:
        self._channels = mongo[COLLECTION]
        self._timezone = timezone

    async def put(self, channel_id: str, channel: Channel) -> None:
        kept = {"_id": channel_id, **channel.model_dump()}
        await self._channels.replace_one({"_id": channel_id}, kept, upsert=True)

    async def find(self, channel_id: str) -> Channel:
        kept = await self._channels.find_one({"_id": channel_id}, {"_id": 0})
        return Channel(name=channel_id) if kept is None else Channel(**kept)

    async def zone(self, channel_id: str | None, asked: str | None) -> ZoneInfo:
        """The zone that was asked for, else the channel's, else the configured one."""
        own = None if channel_id is None else (await self.find(channel_id)).timezone
        return ZoneInfo(asked or own or self._timezone)
