"""The grammar of room names, `kind:id`, and which rooms a guest may enter. Knows nobody's claims but their names."""

import re
from collections.abc import Collection
from typing import Annotated

from pydantic import StringConstraints

KIND_PATTERN = r"[a-z][a-z0-9-]{0,31}"
ID_PATTERN = r"[A-Za-z0-9_.~-]{1,128}"
ROOM_PATTERN = f"^{KIND_PATTERN}:{ID_PATTERN}$"

PUBLIC_KINDS = ("auction", "channel", "stream", "track")
"""The kinds that guests may join unless the configuration says otherwise."""

Room = Annotated[str, StringConstraints(pattern=ROOM_PATTERN)]
RoomId = Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN}$")]
RoomKind = Annotated[str, StringConstraints(pattern=f"^{KIND_PATTERN}$")]

_room = re.compile(f"{KIND_PATTERN}:{ID_PATTERN}")


def is_room(name: object) -> bool:
    """Whether `name` is a string that is a whole room name."""
    return isinstance(name, str) and _room.fullmatch(name) is not None


def kind_of(room: str) -> str:
    return room.partition(":")[0]


def id_of(room: str) -> str:
    return room.partition(":")[2]


def is_public(room: str, public_kinds: Collection[str]) -> bool:
    return kind_of(room) in public_kinds
