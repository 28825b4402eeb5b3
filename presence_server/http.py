"""Live counts over HTTP, for services, admins and a room's owner. What is counted where is `rooms`."""

from collections.abc import Iterator
from heapq import nsmallest
from typing import Annotated

from pydantic import Field, StringConstraints

from backend_api.contract.rooms import ID_PATTERN, KIND_PATTERN, Room
from backend_api.contract.snapshots import LiveCount
from backend_api.contract.wire import Wire
from backend_api.service.access import admin, internal, owner_of_room
from backend_api.service.routes import RouteTable
from presence_server.presence.base import PresenceBackend
from presence_server.rooms import Counts, RoomCounter

table = RouteTable("rooms")

Prefix = Annotated[str, StringConstraints(pattern=f"^({KIND_PATTERN}(:({ID_PATTERN})?)?)?$")]


class RoomsQuery(Wire):
    """`prefix` is the beginning of a room's name; `cursor` is what the page before gave."""

    prefix: Prefix = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Room | None = None


class RoomPath(Wire):
    """A room, as it is in the path."""

    room: Room


class LiveRooms(Wire):
    """A page of rooms that have viewers, by name; `next_cursor` where there are more."""

    rooms: list[LiveCount]
    next_cursor: str | None = None


class LiveCounts:
    """What the counter and the other nodes say together."""

    def __init__(self, counter: RoomCounter, shared: PresenceBackend) -> None:
        self._counter = counter
        self._shared = shared

    def occupied(self) -> Iterator[Counts]:
        """Every room that has viewers on this node."""
        return self._counter.occupied()

    async def look(self, room: str) -> LiveCount:
        """A room, wherever its viewers are."""
        if (opening := self._shared.opening(room)) is not None:
            await opening
        return self.live(self._counter.counts(room))

    def live(self, counts: Counts) -> LiveCount:
        total, marks = self._shared.total(counts), self._shared.marks(counts.room)
        return LiveCount(
            room=total.room,
            viewer_count=total.viewer_count,
            unique_viewers=total.unique_viewers,
            active_viewers=total.active_viewers,
            unique_mode="estimate" if "uniqueMode" in marks else None,
            degraded=True if "degraded" in marks else None,
        )


@table.get("/api/v1/rooms", allow=(admin, internal("read")), summary="Rooms that have viewers on this node now")
async def list_rooms(*, query: RoomsQuery, counts: LiveCounts) -> LiveRooms:
    after = query.cursor or ""
    found = (one for one in counts.occupied() if one.room.startswith(query.prefix) and one.room > after)
    page = nsmallest(query.limit + 1, found)
    more = len(page) > query.limit
    rooms = [counts.live(one) for one in page[: query.limit]]
    return LiveRooms(rooms=rooms, next_cursor=rooms[-1].room if more else None)


@table.get("/api/v1/rooms/{room}", allow=(owner_of_room, admin, internal("read")), summary="Who is in a room now")
async def read_room(*, path: RoomPath, counts: LiveCounts) -> LiveCount:
    return await counts.look(path.room)
