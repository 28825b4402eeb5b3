"""Finds the unit costs of sharing on this machine: a real Redis on a free port, the node's own code in this process.

What viewers cost (a socket, a join, an update) is the benchmark's to find: scripts/bench.
"""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from redis.asyncio import Redis

from presence_server.presence.address import parse
from presence_server.presence.book import Book, Publication
from presence_server.presence.members import Members
from presence_server.presence.state import SharedState
from presence_server.presence.store import Heard, Store
from presence_server.presence.wire import Change, Figures, Names, Published, Snapshot, hashed
from presence_server.rooms import RoomCounter
from scripts.stack.processes import Child, StackError
from scripts.stack.redis import find_redis, start_redis

ROOMS = 5_000
AT_ONCE = 20
"""So many rooms a busy node says together."""
TOLD_AT_ONCE = 10
"""So many of them another node hears."""
HOLDERS = 20
PEOPLE = 200
MESSAGES = 20_000
LISTENERS = 10

Costs = dict[str, float]
Stepped = Callable[[str], None]


class Spent(NamedTuple):
    """What something took: microseconds of Redis and of this process, bytes over the wire, bytes of Redis' memory."""

    redis_us: float
    own_us: float
    traffic: float
    memory: float

    def per(self, count: float) -> "Spent":
        return Spent(*(value / count for value in self))

    def beyond(self, less: "Spent") -> "Spent":
        return Spent(*(a - b for a, b in zip(self, less, strict=True)))


class Bench:
    """A Redis, a store as a node has it, and a look at what each of them spends."""

    def __init__(self, url: str, redis: Redis, store: Store) -> None:
        self.url = url
        self.redis = redis
        self.store = store

    async def spend(self, work: Callable[[], Awaitable[Any]]) -> Spent:
        before = await self._spent()
        await work()
        return (await self._spent()).beyond(before)

    async def _spent(self) -> Spent:
        info: dict[str, Any] = await self.redis.info("everything")
        cpu = info["used_cpu_user"] + info["used_cpu_sys"]
        traffic = info["total_net_input_bytes"] + info["total_net_output_bytes"]
        return Spent(cpu * 1e6, time.process_time() * 1e6, traffic, info["used_memory"])


async def measured(stepped: Stepped) -> Costs:
    """Every unit cost that can be found here. Raises StackError where there is no redis-server."""
    costs: Costs = {}
    for step in (_changes, _messages, _reads, _sketches, _redis_memory):
        stepped(step.__name__.strip("_").replace("_", " "))
        async with _bench() as bench:
            costs |= await step(bench)
    stepped("node memory")
    return costs | _node_memory()


@asynccontextmanager
async def _bench() -> AsyncIterator[Bench]:
    with TemporaryDirectory() as folder:
        started: list[Child] = []
        try:
            url = await start_redis(find_redis(), Path(folder), Path(folder), started=started.append)
            async with Redis.from_url(url) as redis, _store(url, lambda *_: None) as store:
                yield Bench(url, redis, store)
        finally:
            for child in started:
                await child.stop()


@asynccontextmanager
async def _store(url: str, heard: Heard) -> AsyncIterator[Store]:
    store = Store(parse(url), "node-1", heard, lambda _: None, lambda _: None)
    try:
        yield store
    finally:
        await store.close()


def _room(number: int) -> str:
    return f"auction:lot-{number:06d}"


def _member(number: int) -> str:
    return f"presence-{number:02d}.1795257000123"


def _publication(room: int, member: int, version: int, people: int, add: Sequence[bytes] = ()) -> Publication:
    return Publication(_room(room), _member(member), version, people, people, people, tuple(add), (), False)


async def _say(bench: Bench, publications: Sequence[Publication]) -> None:
    for start in range(0, len(publications), AT_ONCE):
        done = await bench.store.publish(publications[start : start + AT_ONCE])
        if None in done:
            raise StackError("Redis refused what a node says")


async def _changes(bench: Bench) -> Costs:
    """Of rooms that one node holds, then several; of people that are counted at each change."""

    def said(version: int, holders: int) -> list[Publication]:
        return [
            _publication(room, member, version, version, [hashed(f"{member} {version}")])
            for room in range(ROOMS // holders)
            for member in range(holders)
        ]

    await _say(bench, said(1, 1))
    alone = (await bench.spend(lambda: _say(bench, said(2, 1)))).per(ROOMS)
    await bench.redis.flushdb()
    await _say(bench, said(1, HOLDERS))
    shared = (await bench.spend(lambda: _say(bench, said(2, HOLDERS)))).per(ROOMS)
    await bench.redis.flushdb()
    counted = await _counted(bench)
    people = 1.5 * HOLDERS  # One of each node before, two after.
    return {
        "redis_change_us": alone.redis_us,
        "redis_holder_us": (shared.redis_us - people * counted - alone.redis_us) / (HOLDERS - 1),
        "node_change_us": alone.own_us,
        "change_bytes": alone.traffic,
        "redis_counted_us": counted,
    }


async def _counted(bench: Bench) -> float:
    """Two nodes with half of the people each, counted in the script; the same that are not."""
    rooms, half = 500, PEOPLE // 2
    for member in range(2):
        ids = [hashed(f"{member} {number}") for number in range(half)]
        await _say(bench, [_publication(room, member, 1, half, ids) for room in range(rooms)])
    counting = await bench.spend(lambda: _say(bench, [_publication(room, 0, 2, half) for room in range(rooms)]))
    not_counting = await bench.spend(lambda: _say(bench, [_publication(room, 0, 3, half * 5) for room in range(rooms)]))
    return (counting.redis_us - not_counting.redis_us) / rooms / PEOPLE


async def _messages(bench: Bench) -> Costs:
    """Messages to nodes that only listen, some at a time as they are said, and to one that does what a node does."""
    channel = Names().base(_room(1))
    message = f"{_member(7)} 1 17 12 15 1795257000123456 412 x"

    async def publish() -> None:
        for _ in range(MESSAGES // TOLD_AT_ONCE):
            together = bench.redis.pipeline(transaction=False)
            for _ in range(TOLD_AT_ONCE):
                together.execute_command("SPUBLISH", channel, message)
            await together.execute()

    unheard = await bench.spend(publish)
    listeners = [_Listener() for _ in range(LISTENERS)]
    for listener in listeners:
        await listener.listen(bench.redis, channel)
    words = ["smessage", channel, message]
    expected = MESSAGES * len("*3\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words))
    heard = await bench.spend(lambda: asyncio.gather(publish(), *(one.hears(expected) for one in listeners)))
    for listener in listeners:
        listener.close()
    per_message = heard.beyond(unheard).per(MESSAGES * LISTENERS)
    return {
        "redis_message_us": per_message.redis_us,
        "message_bytes": per_message.traffic,
        "node_message_us": await _heard_us(bench, channel),
    }


class _Listener:
    """A connection that hears a channel and does nothing with it."""

    async def listen(self, redis: Redis, channel: str) -> None:
        port = redis.connection_pool.connection_kwargs["port"]
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._writer.write(f"SSUBSCRIBE {channel}\r\n".encode())
        await self._reader.readuntil(b":1\r\n")

    async def hears(self, expected_bytes: int) -> None:
        while expected_bytes > 0:
            expected_bytes -= len(await self._reader.read(1 << 20))

    def close(self) -> None:
        self._writer.close()


async def _heard_us(bench: Bench, channel: str) -> float:
    """A message from the socket to the state of the room, each of them news."""
    members, all_heard = Members(), asyncio.Event()
    members.read({_member(7): 1}, 0.0)
    state = SharedState("node-1", members)
    state.open(_room(1))

    def hear(room: str, change: Change) -> None:
        state.hear(room, change, 0.0)
        if change.version == MESSAGES:
            all_heard.set()

    script = """for i = 1, tonumber(ARGV[2]) do
      redis.call('SPUBLISH', KEYS[1], ARGV[1] .. ' ' .. i .. ' 17 12 15 ' .. i .. ' 412 x')
    end"""

    async def work() -> None:
        await bench.redis.eval(script, 1, channel, _member(7), MESSAGES)
        await all_heard.wait()

    async with _store(bench.url, hear) as store:
        await store.listen([_room(1)])
        return (await bench.spend(work)).own_us / MESSAGES


async def _reads(bench: Bench) -> Costs:
    """Rooms that one node holds, and several."""
    await _say(bench, [_publication(room, 0, 1, 1) for room in range(ROOMS)])

    async def read() -> None:
        for start in range(0, ROOMS, AT_ONCE):
            rooms = range(start, min(start + AT_ONCE, ROOMS))
            await bench.store.refresh({_room(room): _member(0) for room in rooms})

    alone = (await bench.spend(read)).per(ROOMS)
    for member in range(1, HOLDERS):
        await _say(bench, [_publication(room, member, 1, 1) for room in range(ROOMS)])
    shared = (await bench.spend(read)).per(ROOMS)
    return {
        "redis_read_us": alone.redis_us,
        "redis_read_holder_us": (shared.redis_us - alone.redis_us) / (HOLDERS - 1),
        "node_read_us": alone.own_us,
        "read_bytes": alone.traffic,
        "read_holder_bytes": (shared.traffic - alone.traffic) / (HOLDERS - 1),
    }


async def _sketches(bench: Bench) -> Costs:
    ids = [hashed(str(number)) for number in range(20_000)]
    await _say(bench, [_publication(1, 0, 1, 20_000)])
    spent = await bench.spend(lambda: bench.store.sketch(_room(1), _member(0), ids, counts=False))
    return {"redis_sketched_us": spent.redis_us / len(ids)}


async def _redis_memory(bench: Bench) -> Costs:
    """Rooms; then a second holder of each; then more people in few sets, and many in one; then who hears them."""
    rooms = await bench.spend(lambda: _say(bench, [_publication(n, 0, 1, 1, [hashed("a")]) for n in range(ROOMS)]))
    holders = await bench.spend(lambda: _say(bench, [_publication(n, 1, 1, 1, [hashed("b")]) for n in range(ROOMS)]))
    some = [hashed(str(number)) for number in range(50)]
    people = await bench.spend(lambda: _say(bench, [_publication(n, 0, 2, 51, some) for n in range(500)]))
    many = [hashed(f"m{number}") for number in range(2_000)]
    crowd = await bench.spend(lambda: _say(bench, [_publication(n, 1, 2, 2_001, many) for n in range(20)]))
    heard = await bench.spend(lambda: bench.store.listen([_room(number) for number in range(ROOMS)]))
    return {
        "redis_room_bytes": rooms.memory / ROOMS,
        "redis_holder_bytes": holders.memory / ROOMS,
        "redis_person_bytes": people.memory / 500 / len(some),
        "redis_large_person_bytes": crowd.memory / 20 / len(many),
        "redis_subscription_bytes": heard.memory / ROOMS,
    }


def _node_memory() -> Costs:
    """Rooms with one viewer here, and the figures of one other node; then those of ten more."""
    members = Members()
    members.read({_member(number): 1 for number in range(12)}, 0.0)
    counter, state = RoomCounter(), SharedState("node-1", members)
    book = Book(counter.counts, counter.people)
    tracemalloc.start()
    try:
        before = _traced()
        for number in range(ROOMS):
            _hold(number, counter, book, state)
        rooms = _traced()
        for member in range(1, 11):
            for number in range(ROOMS):
                state.hear(_room(number), Change(_member(member), 1, 1, 1, 1, 1 + member, 1, False), 0.0)
        entries = _traced()
    finally:
        tracemalloc.stop()
    return {"node_room_bytes": (rooms - before) / ROOMS, "node_entry_bytes": (entries - rooms) / ROOMS / 10}


def _hold(number: int, counter: RoomCounter, book: Book, state: SharedState) -> None:
    room, connection = _room(number), f"connection-{number:08d}"
    counter.connect(connection, f"g:viewer-{number:08d}")
    counter.join(connection, room)
    book.changed(room, f"g:viewer-{number:08d}", came=True)
    due = book.take()
    publication = due and book.publication(*due, _member(11), is_estimate=False)
    if publication:
        book.arrived(publication)
    state.open(room)
    state.read(room, Snapshot(1, {_member(0): Figures(1, 1, 1, 1)}, 2, False), 0.0)
    state.count(room, Published(2, 2, False))


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]
