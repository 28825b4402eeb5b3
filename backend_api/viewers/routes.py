"""The viewer history over HTTP: parts in, charts out, the switch of a room (CONTRACT §1)."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import wraps
from typing import Unpack

from pydantic.alias_generators import to_camel

from backend_api.contract.snapshots import BatchResult, History, Part, Point, RoomPart, RoomSettings, Saved
from backend_api.contract.wire import Wire, at
from backend_api.service.access import Caller, Internal, Signed, admin, internal, owner_of_room
from backend_api.service.csv import Cell, Csv
from backend_api.service.errors import FieldError, Unprocessable
from backend_api.service.routes import H, Handler, Options, RouteTable
from backend_api.viewers.charts import Charts
from backend_api.viewers.intake import Intake, Refused, Sent
from backend_api.viewers.queries import AuctionPath, Batch, HistoryQuery, RoomPath, RoomsQuery, RoomsTableQuery
from backend_api.viewers.rooms import KnownRoom, KnownRooms, RoomDirectory
from backend_api.viewers.settings import RoomSwitches

MAX_BATCH_BYTES = 4 * 1024 * 1024

table = RouteTable("viewers")

_READERS = (owner_of_room, admin, internal("read"))
_POINT_FIELDS, _ROOM_FIELDS = tuple(Point.model_fields), tuple(KnownRoom.model_fields)
_POINT_COLUMNS, _ROOM_COLUMNS = tuple(map(to_camel, _POINT_FIELDS)), tuple(map(to_camel, _ROOM_FIELDS))


def _of_room(
    declare: Callable[..., Callable[[Handler], Handler]], suffix: str, **options: Unpack[Options]
) -> Callable[[H], H]:
    """Declares a route of any room, and the same of an auction by its id."""

    def both(handler: H) -> H:
        declare(f"/api/v1/rooms/{{room}}{suffix}", **options)(handler)
        declare(f"/api/v1/auctions/{{id}}{suffix}", **options)(_by_auction(handler))
        return handler

    return both


def _by_auction(handler: Handler) -> Handler:
    @wraps(handler)
    async def handle(**given: object) -> object:
        return await handler(**given)

    handle.__annotations__ = handler.__annotations__ | {"path": AuctionPath}
    return handle


@_of_room(table.post, "/analytics/snapshot", allow=(internal("snapshots"),), summary="Save one part of a minute")
async def save_part(*, path: RoomPath, body: RoomPart, caller: Caller, now: float, intake: Intake) -> Saved:
    signed = _signed(caller)
    if body.timestamp is None and signed is not None:
        body = body.model_copy(update={"timestamp": at(signed.at)})  # So that a replay is a duplicate.
    (result,) = await intake.take([Sent(path.room, body)], now)
    match result.status:
        case "invalid":
            detail = "; ".join(result.errors or ())
            raise Unprocessable(detail, errors=[FieldError("#/timestamp", detail)])
        case "saved":
            return Saved(saved=True)
        case reason:
            return Saved(saved=False, reason=reason)


@table.post(
    "/internal/v1/snapshots",
    allow=(internal("snapshots"),),
    summary="Save up to 1,000 parts of any rooms",
    max_body_bytes=MAX_BATCH_BYTES,
)
async def save_parts(*, body: Batch, now: float, intake: Intake) -> BatchResult:
    came: Sequence[Part | Refused] = body.snapshots
    sent = [part if isinstance(part, Refused) else Sent(part.room, part) for part in came]
    return BatchResult(results=await intake.take(sent, now))


@_of_room(table.get, "/analytics/viewers", allow=_READERS, summary="Viewer history")
async def read_history(*, path: RoomPath, query: HistoryQuery, charts: Charts) -> History:
    return await charts.history(path.room, query.asked())


@_of_room(table.get, "/analytics/viewers.csv", allow=_READERS, summary="Viewer history as a table")
async def read_table(*, path: RoomPath, query: HistoryQuery, charts: Charts) -> Csv:
    points = charts.table(path.room, query.asked())
    return Csv(f"viewers-{path.room.replace(':', '-')}.csv", _POINT_COLUMNS, _cells(points, _POINT_FIELDS))


@_of_room(table.get, "/settings", allow=_READERS, summary="The switches of a room")
async def read_settings(*, path: RoomPath, switches: RoomSwitches) -> RoomSettings:
    return RoomSettings(enable_viewer_analytics=await switches.is_recorded(path.room))


@_of_room(table.patch, "/settings", allow=(owner_of_room, admin, internal("admin")), summary="Switch a room")
async def change_settings(
    *, path: RoomPath, body: RoomSettings, caller: Caller, switches: RoomSwitches
) -> RoomSettings:
    signed = _signed(caller)
    await switches.switch(path.room, body.enable_viewer_analytics, signed and signed.signature)
    return RoomSettings(enable_viewer_analytics=await switches.is_recorded(path.room))


@table.get("/api/v1/rooms", allow=(admin, internal("read")), summary="Rooms that have history")
async def list_rooms(*, query: RoomsQuery, directory: RoomDirectory) -> KnownRooms:
    return await directory.page(query.prefix, query.q, limit=query.limit, cursor=query.cursor)


@table.get("/api/v1/rooms.csv", allow=(admin, internal("read")), summary="Rooms that have history, as a table")
async def list_rooms_table(*, query: RoomsTableQuery, directory: RoomDirectory) -> Csv:
    return Csv("rooms.csv", _ROOM_COLUMNS, _cells(directory.all(query.prefix, query.q), _ROOM_FIELDS))


def _signed(caller: Caller) -> Signed | None:
    return caller.signed if isinstance(caller, Internal) else None


async def _cells(rows: AsyncIterator[Wire], fields: Sequence[str]) -> AsyncGenerator[Sequence[Cell], None]:
    async for row in rows:
        yield [getattr(row, field) for field in fields]
