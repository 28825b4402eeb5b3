"""Which Redis server has which key: one server, the one that the Sentinels call master, or the primaries of a Cluster.

What is known of it is looked up again after it proved wrong, beside: nobody waits for that who could go on with what is
known. Each primary has a line and an ear of its own.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import structlog
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from presence_server.errors import Unreachable
from presence_server.presence.address import RedisAddress
from presence_server.presence.line import CONNECT_SECONDS, Command, Connect, Dial, Ear, Line
from presence_server.presence.wire import Names

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
"""The servers are looked up at most so often."""

Host = tuple[str, int]


class Primary(NamedTuple):
    """A server that takes writes."""

    host: Host
    line: Line
    ear: Ear

    async def close(self) -> None:
        await self.line.close()
        await self.ear.close()


class _Map(NamedTuple):
    """From the first slot of each range on, the server that has it."""

    starts: tuple[int, ...]
    owners: tuple[Host, ...]


class Primaries:
    """The servers behind an address. `heard` and `deafened` are told by every ear."""

    def __init__(
        self,
        address: RedisAddress,
        name: str,
        heard: Callable[[bytes, bytes], None],
        deafened: Callable[[list[bytes]], None],
    ) -> None:
        self._address = address
        self._name = name
        self._prefix = Names(address.database).prefix
        self._heard = heard
        self._deafened = deafened
        self._primaries: dict[Host, Primary] = {}
        self._guests: dict[Host, Primary] = {}
        """Servers that have no slot yet, but some keys of one that is moving to them."""
        self._map: _Map | None = None
        self._in_doubt = True
        self._looked_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._reason = ""

    async def owner(self, key: bytes) -> Primary:
        """The server that has the key. Raises Unreachable."""
        known = await self._known()
        return self._primaries[known.owners[bisect_right(known.starts, key_slot(key)) - 1]]

    async def everyone(self) -> list[Primary]:
        """All servers. Raises Unreachable."""
        await self._known()
        return list(self._primaries.values())

    def at(self, host: Host) -> Primary:
        """A server that another one points to."""
        known = self._primaries.get(host) or self._guests.get(host)
        if known is None:
            known = self._guests[host] = self._primary(host)
        return known

    def canary(self, primary: Primary) -> bytes:
        """A channel, and a key, of one of the server's slots that only this process uses."""
        owned = self._map or _Map((), ())
        slot = next((first for first, host in zip(*owned, strict=True) if host == primary.host), 0)
        return f"{self._prefix}{_tag_of(slot)}:{self._name}".encode()

    def doubt(self) -> None:
        """What is known proved wrong, or a server did not answer."""
        self._in_doubt = True

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        for primary in [*self._primaries.values(), *self._guests.values()]:
            await primary.close()

    async def _known(self) -> _Map:
        loop = asyncio.get_running_loop()
        is_due = self._map is None or (self._in_doubt and loop.time() >= self._looked_at + LOOK_SECONDS)
        if is_due and self._looking is None:
            self._looking = loop.create_task(self._look())
        if self._map is None and self._looking is not None:
            await asyncio.shield(self._looking)
        if self._map is None:
            raise Unreachable(self._reason)
        return self._map

    async def _look(self) -> None:
        self._looked_at, self._in_doubt = asyncio.get_running_loop().time(), False
        try:
            await self._adopt(await self._look_up())
        except Unreachable as error:
            self._in_doubt, self._reason = True, error.reason
        finally:
            self._looking = None

    async def _adopt(self, found: _Map) -> None:
        if self._map == found:
            return
        self._map, owners = found, set(found.owners)
        log.info("redis_servers", hosts=sorted({f"{host}:{port}" for host, port in owners}))
        known, self._guests = {**self._primaries, **self._guests}, {}
        self._primaries = {host: known.pop(host) if host in known else self._primary(host) for host in owners}
        for gone in known.values():
            await gone.close()

    async def _look_up(self) -> _Map:
        kind, hosts = self._address.kind, self._address.hosts
        if kind == "sentinel":
            return _Map((0,), (await self._ask(hosts, self._master),))
        if kind == "cluster":
            found: _Map = await self._ask([*self._primaries, *hosts], self._slots)
            return found
        return _Map((0,), (hosts[0] if hosts else (self._address.socket_path, 0),))

    async def _ask(self, hosts: Iterable[Host], question: Callable[[Host], Any]) -> Any:
        """The first answer. Raises Unreachable, with the last reason."""
        reason = "no host answered"
        for host in hosts:
            try:
                return await question(host)
            except Unreachable as error:
                reason = error.reason
        raise Unreachable(reason)

    async def _master(self, sentinel: Host) -> Host:
        service = self._address.service
        reply = await self._once(sentinel, ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service), database=0)
        if not isinstance(reply, list):
            raise Unreachable(f"the Sentinels watch nothing called {service}")
        return reply[0].decode(), int(reply[1])

    async def _slots(self, node: Host) -> _Map:
        reply = await self._once(node, ("CLUSTER", "SLOTS"), database=0)
        ranges: Any = sorted(reply) if isinstance(reply, list) else []
        if sum(last - first + 1 for first, last, *_ in ranges) < REDIS_CLUSTER_HASH_SLOTS:
            raise Unreachable("the Cluster does not cover all slots")
        # A node that does not know its own address leaves it out.
        owners = tuple((primary[0].decode() if primary[0] else node[0], primary[1]) for _, _, primary, *_ in ranges)
        return _Map(tuple(first for first, *_ in ranges), owners)

    async def _once(self, host: Host, command: Command, *, database: int) -> object:
        line = Line(Dial(self._connector(host, database)))
        try:
            [reply] = await line.call([command])
        finally:
            await line.close()
        return reply

    def _primary(self, host: Host) -> Primary:
        dial = Dial(self._connector(host, self._address.database))
        return Primary(host, Line(dial), Ear(dial, self._heard, self._deafened))

    def _connector(self, host: Host, database: int) -> Connect:
        address = self._address
        options: dict[str, Any] = {
            "db": database,
            "username": address.username,
            "password": address.password,
            "client_name": f"presence:{self._name}",
            "protocol": 2,
            "driver_info": None,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": None,
        }

        def connect() -> AbstractConnection:
            if address.kind == "unix":
                return UnixDomainSocketConnection(path=address.socket_path, **options)
            kind = SSLConnection if address.tls else Connection
            return kind(host=host[0], port=host[1], **options)

        return connect


@cache
def _tag_of(slot: int) -> str:
    """What brings a name into this very slot; about sixteen thousand are tried."""
    return next(f"{{canary-{n}}}" for n in range(10_000_000) if key_slot(b"{canary-%d}" % n) == slot)
