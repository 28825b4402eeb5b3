"""Live counts over HTTP, for services, admins and a room's owner. What is counted where is `rooms`."""

from heapq import nsmallest
from typing import Annotated

from pydantic import Field, StringConstraints

from backend_api.contract.rooms import ID_PATTERN, KIND_PATTERN, Room
from backend_api.contract.snapshots import LiveCount
from backend_api.contract.wire import Wire
from backend_api.service.access import admin, internal, owner_of_room
from backend_api.service.routes import RouteTable
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


@table.get("/api/v1/rooms", allow=(admin, internal("read")), summary="Rooms that have viewers now")
async def list_rooms(*, query: RoomsQuery, counter: RoomCounter) -> LiveRooms:
    after = query.cursor or ""
    found = (counts for counts in counter.occupied() if counts.room.startswith(query.prefix) and counts.room > after)
    page = nsmallest(query.limit + 1, found)
    more = len(page) > query.limit
    rooms = [_live(counts) for counts in page[: query.limit]]
    return LiveRooms(rooms=rooms, next_cursor=rooms[-1].room if more else None)


@table.get("/api/v1/rooms/{room}", allow=(owner_of_room, admin, internal("read")), summary="Who is in a room now")
async def read_room(*, path: RoomPath, counter: RoomCounter) -> LiveCount:
    return _live(counter.counts(path.room))


def _live(counts: Counts) -> LiveCount:
    return LiveCount(
        room=counts.room,
        viewer_count=counts.viewer_count,
        unique_viewers=counts.unique_viewers,
        active_viewers=counts.active_viewers,
    )
