"""What nodes tell each other through Redis: the keys, a room's change as a message, a room's hash as it is read. Pure.

| key | what |
|---|---|
| `p:{nodes}` | hash: member -> counter of its beats. The only arbiter of who counts |
| `p:{room}:c` | hash: member -> `version connections active people`; `#s` stamp, `#u` uniques, `#m` mode, `#p` sum |
| `p:{room}:u:member` | set: hashed viewer ids of a member, while they are counted exactly |
| `p:{room}:h:member` | HyperLogLog of the same, while they are estimated |
| `p:{room}` | sharded channel: the room's changes |

In a database other than 0 they begin with its number, `p1:`: channels know no databases, and two installations on one
Redis shall not hear each other. A member is `node.inc`: one incarnation of a node. The stamp counts the changes of one
room in the order in which Redis made them; it says which of two answers is the newer one. The sum is that of all
members' people; it is kept so that a change need not read the others.

What is not understood is passed over: a newer version may write more than this one knows, and anybody may write to a
Redis.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

EXACT, ESTIMATE = b"x", b"e"

_NOBODY = b"*"
_MEMBER = re.compile(rb"[!-~]+\.\d{1,20}")
_FIGURES = re.compile(rb"(\d{1,18}) (\d{1,18}) (\d{1,18}) (\d{1,18})(?: .*)?")
_MESSAGE = re.compile(
    rb"(\*|[!-~]+\.\d{1,20}) (\d{1,18}) (\d{1,18}) (\d{1,18}) (\d{1,18})(?: .*?)?? (\d{1,18}) (\d{1,18}|-) (\w+)"
)


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
    """A room's hash; `stamp` is 0 where there is none, `odd` how many of its fields were not understood."""

    stamp: int
    members: Mapping[str, Figures]
    unique: int | None
    is_estimate: bool
    odd: int = 0


class Published(NamedTuple):
    """What became of a publication."""

    stamp: int
    unique: int | None
    is_estimate: bool


class Names:
    """What things are called in one database of Redis."""

    def __init__(self, database: int = 0) -> None:
        self.prefix = f"p{database or ''}:"
        self.nodes = f"{self.prefix}{{nodes}}"

    def base(self, room: str) -> str:
        """The channel of a room, and the beginning of all its keys: they share a slot."""
        return f"{self.prefix}{{{room}}}"

    def room(self, channel: bytes) -> str:
        return channel[len(self.prefix) + 1 : -1].decode()


def node_of(member: str) -> str:
    return member.rpartition(".")[0]


def inc_of(member: str) -> int:
    return int(member.rpartition(".")[2])


def hashed(viewer_id: str) -> bytes:
    """A viewer id as it is kept in Redis: eight bytes, so that no name leaves this process."""
    return blake2b(viewer_id.encode(), digest_size=8).digest()


def counters_of(reply: list[bytes]) -> dict[str, int]:
    """The membership hash, as HGETALL answers."""
    return {name.decode(): int(count) for name, count in _members(reply) if count.isdigit()}


def change_of(message: bytes) -> Change:
    """A message of a room's channel. Raises ValueError for what is none."""
    found = _MESSAGE.fullmatch(message)
    if found is None:
        raise ValueError("not a change")
    member, version, connections, active, people, stamp, unique, mode = found.groups()
    return Change(
        "" if member == _NOBODY else member.decode(),
        int(version),
        int(connections),
        int(active),
        int(people),
        int(stamp),
        _unique(unique),
        mode == ESTIMATE,
    )


def published_of(reply: list[bytes]) -> Published:
    """What the scripts that change a room answer."""
    stamp, unique, mode = reply
    return Published(int(stamp), _unique(unique), mode == ESTIMATE)


def snapshot_of(reply: list[bytes]) -> Snapshot:
    """A room's hash, as HGETALL answers."""
    own = {name: value for name, value in _pairs(reply) if name.startswith(b"#")}
    stamp, unique = own.get(b"#s", b""), own.get(b"#u", b"")
    found = ((name, _FIGURES.fullmatch(value)) for name, value in _members(reply))
    members = {name.decode(): Figures(*map(int, figures.groups())) for name, figures in found if figures}
    return Snapshot(
        int(stamp) if stamp.isdigit() else 0,
        members,
        int(unique) if unique.isdigit() else None,
        own.get(b"#m") == ESTIMATE,
        odd=len(reply) // 2 - len(own) - len(members),
    )


def _pairs(reply: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(reply[::2], reply[1::2], strict=True)


def _members(reply: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return ((name, value) for name, value in _pairs(reply) if _MEMBER.fullmatch(name))


def _unique(text: bytes) -> int | None:
    return None if text == b"-" else int(text)
