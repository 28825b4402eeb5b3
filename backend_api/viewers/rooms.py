"""The rooms that have history, by name."""

import re
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator

from backend_api.contract.rooms import Room
from backend_api.contract.wire import Timestamp, Wire
from backend_api.db import Document, Mongo
from backend_api.service.errors import FieldError, Unprocessable
from backend_api.viewers.documents import ROOMS

_LAST_CHARACTER = "\U0010ffff"
_PAGE = 500


class KnownRoom(Wire):
    """A room with history: its first minute, and the latest one known (at most an hour behind)."""

    room: Room
    first_at: Timestamp
    last_at: Timestamp


class KnownRooms(Wire):
    """A page of rooms in the order of their names; `next_cursor` leads to the next one."""

    rooms: list[KnownRoom]
    next_cursor: str | None


class RoomDirectory:
    """Finds rooms that have history."""

    def __init__(self, mongo: Mongo) -> None:
        self._rooms = mongo[ROOMS]

    async def page(self, prefix: str, containing: str, *, limit: int, cursor: str | None) -> KnownRooms:
        """Rooms whose name begins with `prefix` and holds `containing`, both literally, after the cursor."""
        after = "" if cursor is None else _read_cursor(cursor)
        found = await self._after(after, prefix, containing, limit + 1)
        more = len(found) > limit
        return KnownRooms(rooms=found[:limit], next_cursor=_cursor(found[limit - 1].room) if more else None)

    async def all(self, prefix: str, containing: str) -> AsyncIterator[KnownRoom]:
        """The same, without end."""
        after = ""
        while found := await self._after(after, prefix, containing, _PAGE):
            for room in found:
                yield room
            after = found[-1].room

    async def _after(self, after: str, prefix: str, containing: str, limit: int) -> list[KnownRoom]:
        name: Document = {"$gt": after, "$lt": prefix + _LAST_CHARACTER}
        if after < prefix:
            name = {"$gte": prefix, "$lt": prefix + _LAST_CHARACTER}
        if containing:
            name["$regex"] = re.escape(containing)
        documents = await self._rooms.find({"r": name}).sort("r", 1).limit(limit).to_list(None)
        return [KnownRoom(room=item["r"], first_at=item["f"], last_at=item["l"]) for item in documents]


def _cursor(room: str) -> str:
    return urlsafe_b64encode(room.encode()).decode()


def _read_cursor(cursor: str) -> str:
    try:
        return b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (Base64Error, UnicodeError):
        raise Unprocessable("This cursor is not one of ours.", errors=[FieldError("#/cursor", "unknown")]) from None
