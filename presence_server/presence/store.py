"""What a node asks of Redis, in the words of presence: commands, sent to the server that has their key.

Nothing is repeated here: what failed is the caller's to say anew. Only a script that a server does not have is brought
to it, and a key that is just moving between two servers of a Cluster is followed.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import structlog
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from presence_server.errors import Unreachable
from presence_server.presence import scripts
from presence_server.presence.address import RedisAddress
from presence_server.presence.book import Publication
from presence_server.presence.line import ANSWER_SECONDS, Command
from presence_server.presence.primaries import Primaries, Primary
from presence_server.presence.scripts import ROOM_SECONDS, Script
from presence_server.presence.wire import (
    NODES_KEY,
    Change,
    Published,
    Snapshot,
    base_key,
    change_of,
    counters_of,
    published_of,
    room_of,
    snapshot_of,
)

log = structlog.get_logger(__name__)

Heard = Callable[[str, Change], None]
Errand = tuple[bytes, Sequence[Command]]
"""Commands about one room, and a key that says where they belong."""

_IDS_AT_ONCE = 2_000
_PASSING = (AskError, TryAgainError, ClusterDownError, ReadOnlyError)
"""What a server says that is no primary of the key, or not yet; MOVED is an AskError, too."""


class Store:
    """Redis, to one node. `heard` and `deafened` are told what the channels bring; `broken` of a lost connection."""

    def __init__(
        self,
        address: RedisAddress,
        node: str,
        heard: Heard,
        deafened: Callable[[list[str]], None],
        broken: Callable[[str], None],
    ) -> None:
        self._primaries = Primaries(address, node, self._take, self._lose)
        self._heard = heard
        self._deafened = deafened
        self._broken = broken
        self._canaries: dict[bytes, asyncio.Future[None]] = {}
        self._own = b"-"
        """How messages of this node's present incarnation begin: they come back, and say nothing new."""

    async def enrol(self, node: str, inc: int, *, alone: bool) -> str:
        """A new incarnation of the node, `inc` or a higher one: its member. `alone`: every other one of it is dead.

        Raises Unreachable, as do all of these.
        """
        reply = await self._ask_nodes(_call(scripts.ENROL, [NODES_KEY], node, inc, int(alone)))
        member = str(reply, "ascii") if isinstance(reply, bytes) else ""
        self._own = member.encode() + b" "
        return member

    async def beat(self, member: str) -> dict[str, int] | None:
        """A sign of life; all members with their counters, None where this one is none any more."""
        key = NODES_KEY.encode()
        replies = await self._run([(key, [_call(scripts.BEAT, [NODES_KEY], member), ("HGETALL", NODES_KEY)])])
        match replies:
            case [[int(counter), list(fields)]]:
                return counters_of(fields) if counter else None
        raise Unreachable("the membership cannot be reached")

    async def accuse(self, member: str, counter: int) -> None:
        """Remove a member if its counter is still this one."""
        await self._ask_nodes(_call(scripts.ACCUSE, [NODES_KEY], member, counter))

    async def resign(self, members: Collection[str]) -> None:
        """Remove incarnations of this node."""
        await self._ask_nodes(("HDEL", NODES_KEY, *members))

    async def publish(self, publications: Sequence[Publication]) -> list[Published | None]:
        """Say what rooms are; None for each that failed."""
        replies = await self._run([_errand(publication) for publication in publications])
        return [None if reply is None else published_of(reply[-1]) for reply in replies]  # type: ignore[arg-type]

    async def read(self, rooms: Sequence[str]) -> list[Snapshot | None]:
        """What rooms are; None for each that failed."""
        keys = [f"{base_key(room)}:c" for room in rooms]
        replies = await self._run([(key.encode(), [("HGETALL", key)]) for key in keys])
        return [None if reply is None else snapshot_of(reply[0]) for reply in replies]  # type: ignore[arg-type]

    async def refresh(self, rooms: Mapping[str, str]) -> list[Snapshot | None]:
        """As `read`; what the room's member, if one is given, said there lives on. Nobody is told anything."""
        replies = await self._run([_refreshing(room, member) for room, member in rooms.items()])
        return [None if reply is None else snapshot_of(reply[-1]) for reply in replies]  # type: ignore[arg-type]

    async def listen(self, rooms: Sequence[str]) -> set[str]:
        """Hear these rooms; those that the servers confirmed."""
        by_primary: dict[Primary, list[str]] = {}
        for room in rooms:
            by_primary.setdefault(await self._primaries.owner(base_key(room).encode()), []).append(room)
        done = await asyncio.gather(*(self._listen(primary, some) for primary, some in by_primary.items()))
        return {room for rooms in done for room in rooms}

    async def ignore(self, rooms: Sequence[str]) -> None:
        """Hear these rooms no more."""
        for primary in await self._primaries.everyone():
            await primary.ear.unsubscribe([base_key(room).encode() for room in rooms])

    async def purge(self, rooms: Mapping[str, Iterable[str]]) -> None:
        """Remove from rooms what is no member any more."""
        errands = [
            (base_key(room).encode(), [_call(scripts.PURGE, [f"{base_key(room)}:c"], ROOM_SECONDS, *members)])
            for room, members in rooms.items()
        ]
        await self._run(errands)

    async def unite(self, room: str) -> None:
        """Count the people of a room exactly, and tell it."""
        base = base_key(room)
        await self._about(room, [_call(scripts.UNITE, [f"{base}:c", f"{base}:t"], ROOM_SECONDS)])

    async def sketch(self, room: str, member: str, ids: Iterable[bytes], *, counts: bool) -> None:
        """Estimate a room's people by sketches: bring this member's anew; who `counts` adds all up and tells it."""
        base = base_key(room)
        fresh, own = f"{base}:t:{member}", f"{base}:h:{member}"
        adding: list[Command] = [("PFADD", fresh, *some) for some in _portions(tuple(ids))]
        finish = _call(scripts.SKETCH, [f"{base}:c", fresh, own], ROOM_SECONDS, int(counts))
        await self._about(room, [("UNLINK", fresh), *adding, finish])

    async def prove(self) -> None:
        """Let every ear hear something. Raises Unreachable where one is deaf; it is replaced."""
        await asyncio.gather(*map(self._prove, await self._primaries.everyone()))

    async def close(self) -> None:
        await self._primaries.close()

    def _take(self, channel: bytes, message: bytes) -> None:
        if message.startswith(self._own):
            return
        if not channel.endswith(b"}"):
            proof = self._canaries.pop(channel, None)
            if proof is not None and not proof.done():
                proof.set_result(None)
            return
        try:
            change = change_of(message)
        except ValueError:
            log.warning("message_not_understood", channel=channel.decode(errors="replace"))
            return
        self._heard(room_of(channel), change)

    def _lose(self, channels: list[bytes]) -> None:
        self._primaries.doubt()
        self._deafened([room_of(channel) for channel in channels if channel.endswith(b"}")])

    async def _listen(self, primary: Primary, rooms: list[str]) -> list[str]:
        try:
            refusals = await primary.ear.subscribe([base_key(room).encode() for room in rooms])
        except Unreachable as error:
            self._primaries.doubt()
            log.debug("redis_not_heard", reason=error.reason)
            return []
        if any(refusals):
            self._primaries.doubt()
        return [room for room, refusal in zip(rooms, refusals, strict=True) if refusal is None]

    async def _prove(self, primary: Primary) -> None:
        proof = self._canaries[primary.canary] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if not primary.ear.hears(primary.canary):
                    await primary.ear.subscribe([primary.canary])
                await primary.line.call([("SPUBLISH", primary.canary, "!")])
                await proof
        except (TimeoutError, Unreachable) as error:
            self._primaries.doubt()
            await primary.ear.close()
            if isinstance(error, TimeoutError) or error.in_doubt:
                raise Unreachable("a subscription hears nothing", in_doubt=True) from None

    async def _ask_nodes(self, command: Command) -> object:
        [reply] = await self._run([(NODES_KEY.encode(), [command])])
        if reply is None:
            raise Unreachable("the membership cannot be reached")
        return reply[0]

    async def _about(self, room: str, commands: Sequence[Command]) -> None:
        [reply] = await self._run([(base_key(room).encode(), commands)])
        if reply is None:
            raise Unreachable("a room cannot be reached")

    async def _run(self, errands: Sequence[Errand]) -> list[list[object] | None]:
        """The replies of each errand, None where it failed. Raises Unreachable where no server is known."""
        by_primary: dict[Primary, list[int]] = {}
        for number, (key, _) in enumerate(errands):
            by_primary.setdefault(await self._primaries.owner(key), []).append(number)
        done: list[list[object] | None] = [None] * len(errands)
        works = (self._visit(primary, [errands[n] for n in some]) for primary, some in by_primary.items())
        for numbers, replies in zip(by_primary.values(), await asyncio.gather(*works), strict=True):
            for number, reply in zip(numbers, replies, strict=True):
                done[number] = reply
        return done

    async def _visit(self, primary: Primary, errands: list[Errand]) -> list[list[object] | None]:
        try:
            done = await _calls(primary, errands)
            again = [number for number, replies in enumerate(done) if isinstance(_wrong(replies), NoScriptError)]
            if again:
                await primary.line.call([("SCRIPT", "LOAD", script.text) for script in scripts.SCRIPTS])
                retried = await _calls(primary, [errands[number] for number in again])
                for number, replies in zip(again, retried, strict=True):
                    done[number] = replies
            return [await self._checked(errand, replies) for errand, replies in zip(errands, done, strict=True)]
        except Unreachable as error:
            self._primaries.doubt()
            if error.in_doubt:
                self._broken(error.reason)
            return [None] * len(errands)

    async def _checked(self, errand: Errand, replies: list[object]) -> list[object] | None:
        wrong = _wrong(replies)
        if isinstance(wrong, AskError) and not isinstance(wrong, MovedError):
            asking: list[Command] = [command for one in errand[1] for command in (("ASKING",), one)]
            replies = (await self._primaries.at((wrong.host, wrong.port)).line.call(asking))[1::2]
            wrong = _wrong(replies)
        if wrong is None:
            return replies
        self._primaries.doubt()
        if not isinstance(wrong, _PASSING):
            log.error("redis_refused", reason=str(wrong))
        return None


def _call(script: Script, keys: Sequence[str], *arguments: str | bytes | int) -> Command:
    return ("EVALSHA", script.sha, len(keys), *keys, *arguments)


def _errand(publication: Publication) -> Errand:
    """A publication as commands: many people are brought beforehand, a few with the rest."""
    base = base_key(publication.room)
    key = f"{base}:u:{publication.member}"
    before: list[Command] = [("UNLINK", key)] if publication.in_full else []
    add, remove = publication.add, publication.remove
    if len(add) + len(remove) > _IDS_AT_ONCE:
        before += [("SADD", key, *some) for some in _portions(add)]
        before += [("SREM", key, *some) for some in _portions(remove)]
        add = remove = ()
    figures = publication[2:6]
    publish = _call(
        scripts.PUBLISH, [f"{base}:c", key], publication.member, *figures, ROOM_SECONDS, len(add), *add, *remove
    )
    return base.encode(), [*before, publish]


def _refreshing(room: str, member: str) -> Errand:
    base = base_key(room)
    kept = (f"{base}:c", f"{base}:u:{member}", f"{base}:h:{member}") if member else ()
    return base.encode(), [*(("EXPIRE", key, ROOM_SECONDS) for key in kept), ("HGETALL", f"{base}:c")]


def _portions(ids: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    return (ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE))


async def _calls(primary: Primary, errands: list[Errand]) -> list[list[object]]:
    replies = iter(await primary.line.call([command for _, commands in errands for command in commands]))
    return [[next(replies) for _ in commands] for _, commands in errands]


def _wrong(replies: list[object]) -> ResponseError | None:
    """The first error among the replies."""
    return next((reply for reply in replies if isinstance(reply, ResponseError)), None)
