"""What a node asks of Redis, in the words of presence: commands, sent to the server that has their key.

Nothing is repeated here: what failed is the caller's to say anew. Only a script that a server does not have is brought
to it, and a key that is just moving between two servers of a Cluster is followed.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

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
from presence_server.presence.complaints import Complaints
from presence_server.presence.line import ANSWER_SECONDS, Command
from presence_server.presence.primaries import Host, Primaries, Primary
from presence_server.presence.scripts import ROOM_SECONDS, Script
from presence_server.presence.wire import (
    Change,
    Names,
    Published,
    Snapshot,
    change_of,
    counters_of,
    published_of,
    snapshot_of,
)

log = structlog.get_logger(__name__)

Heard = Callable[[str, Change], None]
Errand = tuple[bytes, Sequence[Command]]
"""Commands about one room, and a key that says where they belong."""

Outcome = list[object] | Unreachable
"""The replies to an errand, or why there are none."""

_IDS_AT_ONCE = 2_000
_ASKING: Command = ("ASKING",)
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
        self._names = Names(address.database)
        self._refusing: set[Primary] = set()
        """Servers that answer and take nothing: who hears one of their rooms cannot know what others fail to say."""
        self._heard = heard
        self._deafened = deafened
        self._broken = broken
        self._canaries: dict[bytes, asyncio.Future[None]] = {}
        self._own = b"-"
        """How messages of this node's present incarnation begin: they come back, and say nothing new."""
        self.complaints = Complaints()

    async def enrol(self, node: str, inc: int, *, alone: bool) -> str:
        """A new incarnation of the node, `inc` or a higher one: its member. `alone`: every other one of it is dead.

        Raises Unreachable, as do all of these.
        """
        reply = await self._ask_nodes(_call(scripts.ENROL, [self._names.nodes], node, inc, int(alone)))
        member = str(reply, "ascii") if isinstance(reply, bytes) else ""
        self._own = member.encode() + b" "
        return member

    async def beat(self, member: str, others: Collection[str]) -> dict[str, int] | None:
        """A sign of life; all members with their counters, None where this one is none any more.

        `others` are older incarnations of the node that have to live for a while still.
        """
        key = self._names.nodes
        beat = _call(scripts.BEAT, [key], member, *others)
        match await self._replies(key.encode(), [beat, ("HGETALL", key)]):
            case [int(counter), list(fields)]:
                return counters_of(fields) if counter else None
        raise Unreachable("the membership is no hash")

    async def accuse(self, member: str, counter: int) -> None:
        """Remove a member if its counter is still this one."""
        await self._ask_nodes(_call(scripts.ACCUSE, [self._names.nodes], member, counter))

    async def resign(self, members: Collection[str]) -> None:
        """Remove incarnations of this node."""
        await self._ask_nodes(("HDEL", self._names.nodes, *members))

    async def publish(self, publications: Sequence[Publication]) -> list[Published | None]:
        """Say what rooms are; None for each that failed."""
        done = await self._run([self._publishing(publication) for publication in publications])
        return [None if isinstance(one, Unreachable) else published_of(one[-1]) for one in done]  # type: ignore[arg-type]

    async def read(self, rooms: Sequence[str]) -> list[Snapshot | None]:
        """What rooms are; None for each that failed."""
        return await self.refresh(dict.fromkeys(rooms, ""))

    async def refresh(self, rooms: Mapping[str, str]) -> list[Snapshot | None]:
        """As `read`; what the room's member, if one is given, said there lives on. Nobody is told anything."""
        done = await self._run([self._refreshing(room, member) for room, member in rooms.items()])
        return [None if isinstance(one, Unreachable) else self._snapshot(one[-1]) for one in done]

    async def listen(self, rooms: Sequence[str]) -> set[str]:
        """Hear these rooms; those that the servers confirmed."""
        by_primary: dict[Primary, list[str]] = {}
        for room in rooms:
            by_primary.setdefault(await self._owner(self._names.base(room).encode()), []).append(room)
        done = await asyncio.gather(*(self._listen(primary, some) for primary, some in by_primary.items()))
        return {room for rooms in done for room in rooms}

    async def ignore(self, rooms: Sequence[str]) -> None:
        """Hear these rooms no more."""
        channels = [self._names.base(room).encode() for room in rooms]
        for primary in await self._primaries.everyone():
            with suppress(Unreachable):  # What was heard over it is not heard any more, either way.
                await primary.ear.unsubscribe(channels)

    async def purge(self, rooms: Mapping[str, Iterable[str]]) -> None:
        """Remove from rooms what is no member any more."""
        bases = {self._names.base(room): members for room, members in rooms.items()}
        await self._run(
            [
                (base.encode(), [_call(scripts.PURGE, [f"{base}:c"], ROOM_SECONDS, *members)])
                for base, members in bases.items()
            ]
        )

    async def unite(self, room: str) -> None:
        """Count the people of a room exactly, and tell it."""
        base = self._names.base(room)
        await self._replies(base.encode(), [_call(scripts.UNITE, [f"{base}:c", f"{base}:t"], ROOM_SECONDS)])

    async def sketch(self, room: str, member: str, ids: Iterable[bytes], *, counts: bool) -> None:
        """Estimate a room's people by sketches: bring this member's anew; who `counts` adds all up and tells it."""
        base = self._names.base(room)
        fresh, own = f"{base}:t:{member}", f"{base}:h:{member}"
        adding: list[Command] = [("PFADD", fresh, *some) for some in _portions(tuple(ids))]
        finish = _call(scripts.SKETCH, [f"{base}:c", fresh, own], ROOM_SECONDS, int(counts))
        await self._replies(base.encode(), [("UNLINK", fresh), *adding, ("EXPIRE", fresh, ROOM_SECONDS), finish])

    async def prove(self) -> None:
        """Let every server take and tell something. One that tells nothing is asked anew for all its rooms."""
        everyone = await self._primaries.everyone()
        self._refusing.intersection_update(everyone)
        await asyncio.gather(*map(self._prove, everyone))

    @property
    def is_refused(self) -> bool:
        """Whether a server answers and takes nothing, as it may be with its rights, its memory or its age."""
        return bool(self._refusing)

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
        self._heard(self._names.room(channel), change)

    def _lose(self, channels: list[bytes]) -> None:
        self._primaries.doubt()
        self._deafened([self._names.room(channel) for channel in channels if channel.endswith(b"}")])

    async def _listen(self, primary: Primary, rooms: list[str]) -> list[str]:
        if primary in self._refusing:
            return []
        try:
            refusals = await primary.ear.subscribe([self._names.base(room).encode() for room in rooms])
        except Unreachable as error:
            self._primaries.doubt()
            self.complaints.note("redis_unreachable", error.reason)
            return []
        for refusal in filter(None, refusals):
            self._refused(refusal)
        return [room for room, refusal in zip(rooms, refusals, strict=True) if refusal is None]

    async def _prove(self, primary: Primary) -> None:
        canary = self._primaries.canary(primary)
        proof = self._canaries[canary] = asyncio.get_running_loop().create_future()
        try:
            if not primary.ear.hears(canary):
                await primary.ear.subscribe([canary])
            replies = await primary.line.call([("SET", canary, "", "EX", ROOM_SECONDS), ("SPUBLISH", canary, "!")])
            if (refusal := _wrong(replies)) is None:
                self._refusing.discard(primary)
                async with asyncio.timeout(ANSWER_SECONDS):
                    await proof
            elif primary not in self._refusing:
                self._refused(refusal)
                self._refusing.add(primary)
                await primary.ear.close()
        except (TimeoutError, Unreachable) as error:
            self._primaries.doubt()
            await primary.ear.close()
            if isinstance(error, Unreachable) and error.in_doubt:
                self._broken(error.reason)

    def _snapshot(self, reply: object) -> Snapshot:
        snapshot = snapshot_of(reply)  # type: ignore[arg-type]
        if snapshot.odd:
            self.complaints.note("redis_not_understood", "fields of a room that are no member's")
        return snapshot

    def _publishing(self, publication: Publication) -> Errand:
        """A publication as commands: many people are brought beforehand, a few with the rest."""
        base = self._names.base(publication.room)
        key = f"{base}:u:{publication.member}"
        before: list[Command] = [("UNLINK", key)] if publication.in_full else []
        add, remove = publication.add, publication.remove
        if len(add) + len(remove) > _IDS_AT_ONCE:
            before += [("SADD", key, *some) for some in _portions(add)]
            before += [("SREM", key, *some) for some in _portions(remove)]
            before.append(("EXPIRE", key, ROOM_SECONDS))
            add = remove = ()
        figures = publication[2:6]
        publish = _call(
            scripts.PUBLISH, [f"{base}:c", key], publication.member, *figures, ROOM_SECONDS, len(add), *add, *remove
        )
        return base.encode(), [*before, publish]

    def _refreshing(self, room: str, member: str) -> Errand:
        base = self._names.base(room)
        kept = (f"{base}:c", f"{base}:u:{member}", f"{base}:h:{member}") if member else ()
        return base.encode(), [*(("EXPIRE", key, ROOM_SECONDS) for key in kept), ("HGETALL", f"{base}:c")]

    async def _ask_nodes(self, command: Command) -> object:
        [reply] = await self._replies(self._names.nodes.encode(), [command])
        return reply

    async def _replies(self, key: bytes, commands: Sequence[Command]) -> list[object]:
        [outcome] = await self._run([(key, commands)])
        if isinstance(outcome, Unreachable):
            raise outcome
        return outcome

    async def _run(self, errands: Sequence[Errand]) -> list[Outcome]:
        """What became of each errand. Raises Unreachable where no server is known."""
        by_primary: dict[Primary, list[int]] = {}
        for number, (key, _) in enumerate(errands):
            by_primary.setdefault(await self._owner(key), []).append(number)
        done: dict[int, Outcome] = {}
        works = (self._visit(primary, [errands[n] for n in some]) for primary, some in by_primary.items())
        for numbers, outcomes in zip(by_primary.values(), await asyncio.gather(*works), strict=True):
            done.update(zip(numbers, outcomes, strict=True))
        return [done[number] for number in range(len(errands))]

    async def _owner(self, key: bytes) -> Primary:
        try:
            return await self._primaries.owner(key)
        except Unreachable as error:
            self.complaints.note("redis_unreachable", error.reason)
            raise

    async def _visit(self, primary: Primary, errands: list[Errand]) -> list[Outcome]:
        try:
            done = await _calls(primary, errands)
            await self._follow(errands, done)
        except Unreachable as error:
            self._primaries.doubt()
            self.complaints.note("redis_unreachable", error.reason)
            if error.in_doubt:
                self._broken(error.reason)
            return [error] * len(errands)
        return [self._outcome(replies) for replies in done]

    async def _follow(self, errands: list[Errand], done: list[list[object]]) -> None:
        """Keys that are just moving to another server: what was asked about them is asked there."""
        moving: dict[Host, list[int]] = {}
        for number, replies in enumerate(done):
            wrong = _wrong(replies)
            if isinstance(wrong, AskError) and not isinstance(wrong, MovedError):
                moving.setdefault((wrong.host, wrong.port), []).append(number)
        for host, numbers in moving.items():
            asking = [(key, [word for one in commands for word in (_ASKING, one)]) for key, commands in errands]
            followed = await _calls(self._primaries.at(host), [asking[number] for number in numbers])
            for number, replies in zip(numbers, followed, strict=True):
                done[number] = replies[1::2]

    def _outcome(self, replies: list[object]) -> Outcome:
        wrong = _wrong(replies)
        if wrong is None:
            return replies
        self._refused(wrong)
        return Unreachable(str(wrong))

    def _refused(self, wrong: ResponseError) -> None:
        if isinstance(wrong, _PASSING):
            self._primaries.doubt()
        if not isinstance(wrong, AskError):  # As happens whenever a slot moves.
            self.complaints.note("redis_refused", str(wrong))


def _call(script: Script, keys: Sequence[str], *arguments: str | bytes | int) -> Command:
    return ("EVALSHA", script.sha, len(keys), *keys, *arguments)


def _portions(ids: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    return (ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE))


async def _calls(primary: Primary, errands: list[Errand]) -> list[list[object]]:
    """The replies to each errand; a server that has not our scripts gets them."""
    done = await _called(primary, errands)
    again = [number for number, replies in enumerate(done) if isinstance(_wrong(replies), NoScriptError)]
    if again:
        await primary.line.call([("SCRIPT", "LOAD", script.text) for script in scripts.SCRIPTS])
        retried = await _called(primary, [errands[number] for number in again])
        for number, replies in zip(again, retried, strict=True):
            done[number] = replies
    return done


async def _called(primary: Primary, errands: list[Errand]) -> list[list[object]]:
    replies = iter(await primary.line.call([command for _, commands in errands for command in commands]))
    return [[next(replies) for _ in commands] for _, commands in errands]


def _wrong(replies: list[object]) -> ResponseError | None:
    """The first error among the replies."""
    return next((reply for reply in replies if isinstance(reply, ResponseError)), None)
