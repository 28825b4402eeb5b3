"""What nodes tell each other through Redis: the keys, a room's change as a message, a room's hash as it is read. Pure.

| key | what |
|---|---|
| `p:{nodes}` | hash: member -> counter of its beats. The only arbiter of who counts |
| `p:{room}:c` | hash: member -> `version connections active people`; `#s` stamp, `#u` unique viewers, `#m` mode |
| `p:{room}:u:member` | set: hashed viewer ids of a member, while they are counted exactly |
| `p:{room}:h:member` | HyperLogLog of the same, while they are estimated |
| `p:{room}` | sharded channel: the room's changes |

A member is `node.inc`: one incarnation of a node. The stamp counts the changes of one room in the order in which Redis
made them; it says which of two answers is the newer one.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

NODES_KEY = "p:{nodes}"
EXACT, ESTIMATE = b"x", b"e"

_NOBODY = "*"


class Change(NamedTuple):
    """One member's figures of a room. `member` is empty where only the number of unique viewers is new.

    `unique` is None where it has to be counted anew.
    """

    member: str
    version: int
    connections: int
    active: int
    people: int
    stamp: int
    unique: int | None
    is_estimate: bool


class Figures(NamedTuple):
    """What a room's hash holds of one member."""

    version: int
    connections: int
    active: int
    people: int


class Snapshot(NamedTuple):
    """A room's hash; `stamp` is 0 where there is none."""

    stamp: int
    members: Mapping[str, Figures]
    unique: int | None
    is_estimate: bool


class Published(NamedTuple):
    """What became of a publication."""

    stamp: int
    unique: int | None
    is_estimate: bool


def base_key(room: str) -> str:
    """The channel of a room, and the beginning of all its keys: they share a slot."""
    return f"p:{{{room}}}"


def room_of(channel: bytes) -> str:
    return channel[3:-1].decode()


def node_of(member: str) -> str:
    return member.rpartition(".")[0]


def inc_of(member: str) -> int:
    return int(member.rpartition(".")[2])


def hashed(viewer_id: str) -> bytes:
    """A viewer id as it is kept in Redis: eight bytes, so that no name leaves this process."""
    return blake2b(viewer_id.encode(), digest_size=8).digest()


def change_of(message: bytes) -> Change:
    """A message of a room's channel. Raises ValueError for what is none."""
    member, version, connections, active, people, stamp, unique, mode = message.decode().split(" ")
    return Change(
        "" if member == _NOBODY else member,
        int(version),
        int(connections),
        int(active),
        int(people),
        int(stamp),
        _unique(unique),
        mode.encode() == ESTIMATE,
    )


def published_of(reply: list[bytes]) -> Published:
    """What the scripts that change a room answer."""
    stamp, unique, mode = reply
    return Published(int(stamp), _unique(unique.decode()), mode == ESTIMATE)


def snapshot_of(reply: list[bytes]) -> Snapshot:
    """A room's hash, as HGETALL answers."""
    fields = {name.decode(): value for name, value in zip(reply[::2], reply[1::2], strict=True)}
    stamp, unique, mode = fields.pop("#s", b"0"), fields.pop("#u", b"-"), fields.pop("#m", EXACT)
    members = {member: Figures(*map(int, value.split(b" "))) for member, value in fields.items()}
    return Snapshot(int(stamp), members, _unique(unique.decode()), mode == ESTIMATE)


def _unique(text: str) -> int | None:
    return None if text == "-" else int(text)
