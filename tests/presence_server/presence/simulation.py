"""A world of presence nodes in virtual time: a model of Redis, a network that delays, reorders and loses, and faults.

The nodes are the real ones, down to the commands they give (`Store`); what Redis makes of a command is modelled here,
and the scripts that do it in earnest are tested on real servers beside this.
"""

import asyncio
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from presence_server.errors import Unreachable
from presence_server.presence.complaints import Complaints
from presence_server.presence.line import ANSWER_SECONDS
from presence_server.presence.redis import RedisPresence
from presence_server.presence.wire import Change, Figures, Published, Snapshot, hashed, node_of
from presence_server.rooms import RoomCounter

EPOCH = 1_800_000_000.0
SMALL = 5
"""The model counts so few people in the script, and the others by and by, so that both ways are walked."""


@dataclass
class Room:
    stamp: int = 0
    unique: int | None = None
    members: dict[str, Figures] = field(default_factory=dict)


class Redis:
    """What a server holds, and what the scripts do to it."""

    def __init__(self) -> None:
        self.is_up = True
        self.nodes: dict[str, int] = {}
        self.rooms: dict[str, Room] = {}
        self.people: dict[tuple[str, str], set[bytes]] = {}
        self.links: list[Link] = []
        self.away: set[str] = set()
        """Rooms of a shard that is not there; the membership is on another one."""
        self.refused: set[str] = set()
        """Rooms whose keys nobody can read or write."""
        self._stamps = count(1)

    def flush(self) -> None:
        self.nodes, self.rooms, self.people = {}, {}, {}

    def replace(self) -> None:
        """Another server takes its place: an empty one, whose clock is behind."""
        self.flush()
        self._stamps = count(1)

    def shard_goes(self, room: str) -> None:
        """What the others tell each other of the room is lost from now on, with whatever hears it."""
        self.away.add(room)
        for link in self.links:
            link.stale.add(room)
            link.lose(room)

    def shard_comes(self, *, empty: bool) -> None:
        for room in self.away if empty else ():
            self.rooms.pop(room, None)
            self.people = {key: ids for key, ids in self.people.items() if key[0] != room}
        self.away = set()

    def enrol(self, node: str, inc: int, alone: bool) -> str:
        for member in [member for member in self.nodes if node_of(member) == node]:
            inc = max(inc, int(member.rpartition(".")[2]) + 1)
            if alone:
                del self.nodes[member]
        self.nodes[f"{node}.{inc}"] = 1
        return f"{node}.{inc}"

    def beat(self, member: str, others: Collection[str]) -> dict[str, int] | None:
        for one in self.nodes.keys() & {member, *others}:
            self.nodes[one] += 1
        return dict(self.nodes) if member in self.nodes else None

    def accuse(self, member: str, counter: int) -> None:
        if self.nodes.get(member) == counter:
            del self.nodes[member]

    def resign(self, members: Collection[str]) -> None:
        for member in members:
            self.nodes.pop(member, None)

    def publish(self, p) -> Published:
        room, ids = self.rooms.setdefault(p.room, Room()), self.people.setdefault((p.room, p.member), set())
        if p.in_full:
            ids.clear()
        ids |= set(p.add)
        ids -= set(p.remove)
        for other in [m for m in room.members if m != p.member and node_of(m) == node_of(p.member)]:
            self._drop(p.room, other)
        if p.connections:
            room.members[p.member] = Figures(*p[2:6])
        else:
            self._drop(p.room, p.member)
        return self._tell(p.room, p.member, Figures(*p[2:6]), self._counted(p.room))

    def purge(self, rooms: Mapping[str, Iterable[str]]) -> None:
        for name, members in rooms.items():
            dropped = [self._drop(name, member) for member in members]
            if any(dropped):
                self._tell(name, "", Figures(0, 0, 0, 0), self._counted(name))

    def unite(self, name: str) -> None:
        if name in self.rooms:
            self._tell(name, "", Figures(0, 0, 0, 0), len(self._union(name)))

    def read(self, rooms: Iterable[str]) -> list[Snapshot]:
        found = [self.rooms.get(room, Room()) for room in rooms]
        return [Snapshot(room.stamp, dict(room.members), room.unique, False) for room in found]

    def _drop(self, name: str, member: str) -> bool:
        self.people.pop((name, member), None)
        return name in self.rooms and self.rooms[name].members.pop(member, None) is not None

    def _counted(self, name: str) -> int | None:
        members = self.rooms[name].members
        return len(self._union(name)) if sum(one.people for one in members.values()) <= SMALL else None

    def _union(self, name: str) -> set[bytes]:
        return set().union(*(self.people.get((name, member), ()) for member in self.rooms[name].members))

    def _tell(self, name: str, member: str, figures: Figures, unique: int | None) -> Published:
        room, stamp = self.rooms[name], next(self._stamps)
        room.stamp, room.unique = stamp, unique
        if not room.members:
            del self.rooms[name]
        for link in self.links:
            link.deliver(name, Change(member, *figures, stamp, unique, False))
        return Published(stamp, unique, False)


class Link:
    """The store of one node: what `Store` is, over a network with moods."""

    def __init__(self, redis: Redis, dice: random.Random, heard, deafened, broken) -> None:
        self._redis = redis
        self._dice = dice
        self._heard, self._deafened, self._broken = heard, deafened, broken
        self._rooms: set[str] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._own = "-"
        self.complaints = Complaints()
        self.stale: set[str] = set()
        """Rooms whose server went away under an open connection: who uses it learns so."""
        self.slowness_seconds = 0.0
        self.is_deaf = self.is_refused = False
        self.reorders = 0.0
        self.loses = 0.0
        self.refuses = 0.0
        redis.links.append(self)

    def block(self) -> None:
        """From now on nothing gets through, in either direction; what is sent waits."""
        self._open.clear()

    def unblock(self) -> None:
        self._open.set()

    def cut(self) -> None:
        """The connections are lost."""
        self._broken("cut")
        self.deafen()

    def deafen(self) -> None:
        rooms, self._rooms = list(self._rooms), set()
        self._deafened(rooms)

    def lose(self, room: str) -> None:
        if room in self._rooms:
            self._rooms.discard(room)
            self._deafened([room])

    def die(self) -> None:
        self._redis.links.remove(self)

    def hears(self, room: str) -> bool:
        return room in self._rooms

    def deliver(self, room: str, change: Change) -> None:
        if room in self._rooms and change.member != self._own and self._dice.random() >= self.loses:
            asyncio.get_running_loop().create_task(self._arrive(room, change))

    async def _arrive(self, room: str, change: Change) -> None:
        if self._dice.random() < self.reorders:
            await asyncio.sleep(self._dice.random() * 3)
        await self._open.wait()
        if room in self._rooms and self in self._redis.links:
            self._heard(room, change)

    async def _call(self, command, *arguments):
        """Half a trip, the deed, the other half. What is given up may be done all the same, later."""
        deed = asyncio.get_running_loop().create_task(self._deed(command, arguments))
        done, _ = await asyncio.wait([deed], timeout=ANSWER_SECONDS)
        if done and deed.result() is not _DOWN:
            return deed.result()
        self._broken("no answer")
        raise Unreachable("no answer")

    async def _deed(self, command, arguments):
        await asyncio.sleep(self._dice.random() * 0.02)
        await self._open.wait()
        if not self._redis.is_up:
            return _DOWN
        result = command(*arguments)
        await asyncio.sleep(self._dice.random() * 0.02)
        await self._open.wait()
        return result

    async def enrol(self, node: str, inc: int, *, alone: bool) -> str:
        self._own = await self._call(self._redis.enrol, node, inc, alone)
        return self._own

    async def beat(self, member, others):
        return await self._call(self._redis.beat, member, set(others))

    async def accuse(self, member, counter):
        await self._call(self._redis.accuse, member, counter)

    async def resign(self, members):
        await self._call(self._redis.resign, set(members))

    def _use(self, rooms) -> set[str]:
        """Use the connections to the servers of these rooms; the ones that can be used."""
        used = set(rooms)
        if self.stale & used:
            self.stale -= used
            self._broken("a server went away")
        return used - self._redis.away - self._redis.refused

    async def publish(self, publications):
        await asyncio.sleep(self.slowness_seconds)
        usable = self._use(one.room for one in publications)
        wanted = [one.room in usable and self._dice.random() >= self.refuses for one in publications]
        pairs = list(zip(publications, wanted, strict=True))
        try:
            return await self._call(lambda: [self._redis.publish(one) if is_ours else None for one, is_ours in pairs])
        except Unreachable:
            return [None] * len(publications)

    async def read(self, rooms):
        usable = self._use(rooms)
        try:
            found = await self._call(self._redis.read, list(rooms))
            return [one if room in usable - self._redis.away else None for room, one in zip(rooms, found, strict=True)]
        except Unreachable:
            return [None] * len(rooms)

    async def refresh(self, rooms):
        return await self.read(rooms)

    async def listen(self, rooms):
        try:
            await self._call(lambda: self._rooms.update(() if self.is_deaf else set(rooms) - self._redis.away))
        except Unreachable:
            return set()
        return self._rooms & set(rooms)

    async def ignore(self, rooms):
        self._rooms -= set(rooms)

    async def purge(self, rooms):
        await self._call(self._redis.purge, rooms)

    async def unite(self, room):
        await self._call(self._redis.unite, room)

    async def prove(self):
        self._use(self.stale)
        await self._call(lambda: None)

    async def close(self):
        pass


_DOWN = object()


class _Clock:
    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()


class Node:
    """A presence node with its sockets; `truth` is who is on it, by room."""

    def __init__(self, name: str, redis: Redis, dice: random.Random) -> None:
        self.name = name
        self.counter = RoomCounter()
        self.truth: dict[str, list[tuple[str, str]]] = {}
        self._connections = count()
        self._link = None
        self.presence = RedisPresence(self._store(redis, dice), name, _Clock(), self.counter)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(one) for one in self.presence.background(self._announced)]

    def _store(self, redis, dice):
        def make(heard, deafened, broken):
            self.link = Link(redis, dice, heard, deafened, broken)
            return self.link

        return make

    def join(self, room: str, person: str) -> None:
        connection = f"c{next(self._connections)}"
        self.counter.connect(connection, person)
        self.presence.changed(self.counter.join(connection, room))
        self.truth.setdefault(room, []).append((connection, person))

    def leave(self, room: str) -> None:
        if self.truth.get(room):
            connection, _ = self.truth[room].pop()
            for change in self.counter.disconnect(connection):
                self.presence.changed(change)

    def kill(self) -> None:
        """At once, as by SIGKILL: no word to anybody."""
        self.truth = {}
        self.link.die()
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        """In order, as by SIGTERM."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for room in self.truth:
            while self.truth[room]:
                self.leave(room)
        await self.presence.leave()
        self.link.die()

    def figures(self, room: str) -> tuple[int, int]:
        total = self.presence.total(self.counter.counts(room))
        return total.viewer_count, total.unique_viewers

    def _announced(self, room: str) -> None:
        counts, total = self.counter.counts(room), self.presence.total(self.counter.counts(room))
        assert total.viewer_count >= counts.viewer_count >= 0
        assert total.viewer_count >= total.unique_viewers >= counts.unique_viewers >= 0
        assert total.unique_viewers >= total.active_viewers >= 0


class World:
    """All of it."""

    def __init__(self, nodes: int, seed: int) -> None:
        self.redis = Redis()
        self.dice = random.Random(seed)
        self.nodes: dict[str, Node] = {}
        for number in range(nodes):
            self.start(f"n{number}")

    def start(self, name: str) -> None:
        if name not in self.nodes:
            self.nodes[name] = Node(name, self.redis, self.dice)

    def kill(self, name: str) -> None:
        if name in self.nodes:
            self.nodes.pop(name).kill()

    def truth(self, room: str) -> tuple[int, int]:
        here = [who for node in self.nodes.values() for who in node.truth.get(room, ())]
        return len(here), len({hashed(person) for _, person in here})

    def down(self) -> None:
        self.redis.is_up = False
        for node in self.nodes.values():
            node.link.cut()

    def up(self, *, empty: bool) -> None:
        if empty and not self.redis.is_up:
            self.redis.replace()
        self.redis.is_up = True

    def heal(self) -> None:
        self.up(empty=False)
        self.redis.shard_comes(empty=False)
        self.redis.refused = set()
        for node in self.nodes.values():
            node.link.unblock()
            node.link.loses = node.link.reorders = node.link.refuses = 0.0

    def check(self, rooms: Iterable[str]) -> None:
        for room in rooms:
            for node in self.nodes.values():
                if room in node.counter:
                    assert node.figures(room) == self.truth(room), (room, node.name)
                    assert dict(node.presence.marks(room)) == {}

    def end(self) -> None:
        for name in list(self.nodes):
            self.kill(name)
