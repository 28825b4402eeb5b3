"""Connections to one Redis server: a line for commands, an ear for channels. What is said over them is `store`'s.

Replies are told apart by their order alone, so a command that is given up takes its connection with it: nobody ever
gets the answer to somebody else's question.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from presence_server.errors import Unreachable

ANSWER_SECONDS = 3.0
"""A server that is silent for so long is as good as gone."""

CONNECT_SECONDS = 1.0
REST_SECONDS = 0.5
"""A server that could not be connected to is left alone for so long."""

Command = tuple[str | bytes | int, ...]
Connect = Callable[[], AbstractConnection]
Confirmation = asyncio.Future[ResponseError | None]

_FAILURES = (OSError, RedisError, EOFError, asyncio.TimeoutError)


class Dial:
    """Makes connections to one server. Nobody waits for one that failed last: it is tried beside, until it opens."""

    def __init__(self, make: Connect) -> None:
        self._make = make
        self._rests_until = 0.0
        self._reason = ""
        self._knocking: asyncio.Task[None] | None = None

    async def connect(self) -> AbstractConnection:
        """A new connection, ready for commands. Raises Unreachable."""
        if self._reason:
            loop = asyncio.get_running_loop()
            if self._knocking is None and loop.time() >= self._rests_until:
                self._knocking = loop.create_task(self._knock())
            raise Unreachable(self._reason)
        return await self._connected()

    def failed(self, error: BaseException) -> None:
        """A connection broke. A server that is silent will be so for the next one, too."""
        if isinstance(error, TimeoutError):
            self._reason = _in_words(error)

    async def _knock(self) -> None:
        try:
            await _hang_up(await self._connected())
        except Unreachable:
            pass
        finally:
            self._knocking = None

    async def _connected(self) -> AbstractConnection:
        connection = self._make()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException as error:
            await _hang_up(connection)
            if isinstance(error, _FAILURES):
                self._rests_until = asyncio.get_running_loop().time() + REST_SECONDS
                self._reason = _in_words(error)
                raise Unreachable(self._reason) from None
            raise
        self._reason = ""
        return connection


class Line:
    """One connection for commands, made when it is needed. Commands that come together travel together."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._connection: AbstractConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def call(self, commands: Sequence[Command]) -> list[object]:
        """The replies in the order of the commands; an error that is about one command only is its reply.

        Raises Unreachable where any of them may have been lost.
        """
        async with self._one_at_a_time:
            connection = self._connection = self._connection or await self._dial.connect()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.send_packed_command([_packed(one) for one in commands], check_health=False)
                    return [await _reply(connection) for _ in commands]
            except _FAILURES as error:
                self._dial.failed(error)
                await self.close()
                raise Unreachable(_in_words(error), in_doubt=True) from None
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await _hang_up(connection)


class Ear:
    """One connection that hears channels. What it hears goes to `heard`; channels that it lost go to `deafened`."""

    def __init__(
        self, dial: Dial, heard: Callable[[bytes, bytes], None], deafened: Callable[[list[bytes]], None]
    ) -> None:
        self._dial = dial
        self._heard = heard
        self._deafened = deafened
        self._connection: AbstractConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._channels: set[bytes] = set()
        self._asked: deque[tuple[bytes, Confirmation | None]] = deque()

    async def subscribe(self, channels: Sequence[bytes]) -> list[ResponseError | None]:
        """Hear these channels too; None for each that the server confirmed. Raises Unreachable."""
        loop = asyncio.get_running_loop()
        connection = await self._open()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                waiting = [loop.create_future() for _ in channels]
                self._asked.extend(zip(channels, waiting, strict=True))
                await _send(connection, b"SSUBSCRIBE", channels)
                return [await one for one in waiting]
        except _FAILURES as error:
            self._dial.failed(error)
            await self.close()
            raise Unreachable(_in_words(error)) from None

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """Hear these no more; nothing to do where they are not heard anyway. Raises Unreachable."""
        heard = [channel for channel in channels if channel in self._channels]
        if self._connection is None or not heard:
            return
        self._channels.difference_update(heard)
        self._asked.extend((channel, None) for channel in heard)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await _send(self._connection, b"SUNSUBSCRIBE", heard)
        except _FAILURES as error:
            await self.close()
            raise Unreachable(_in_words(error)) from None

    def hears(self, channel: bytes) -> bool:
        return channel in self._channels

    async def close(self) -> None:
        """Hear nothing more; who was heard is told to be lost."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
        await self._lose()

    async def _open(self) -> AbstractConnection:
        async with self._opening:
            if self._connection is None:
                connection = self._connection = await self._dial.connect()
                self._reader = asyncio.get_running_loop().create_task(self._read(connection))
            return self._connection

    async def _read(self, connection: AbstractConnection) -> None:
        try:
            with suppress(*_FAILURES):
                while True:
                    self._take(await _reply(connection))
        finally:
            if self._connection is connection:
                self._reader = None
                await self._lose()

    def _take(self, reply: object) -> None:
        match reply:
            case [b"smessage", bytes(channel), bytes(message)]:
                self._heard(channel, message)
            case [b"ssubscribe", bytes(channel), _]:
                self._channels.add(channel)
                self._confirm(None)
            case [b"sunsubscribe", bytes(channel), _]:
                self._left(channel)
            case ResponseError():
                self._confirm(reply)

    def _confirm(self, outcome: ResponseError | None) -> None:
        _, waiting = self._asked.popleft()
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)

    def _left(self, channel: bytes) -> None:
        """Either what was asked for, or the channel's slot has moved to another server. Who wants it asks again."""
        if self._asked and self._asked[0] == (channel, None):
            self._asked.popleft()
        self._channels.discard(channel)
        self._deafened([channel])

    async def _lose(self) -> None:
        connection, self._connection = self._connection, None
        lost, self._channels = list(self._channels), set()
        asked, self._asked = self._asked, deque()
        for _, waiting in asked:
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionError("the connection was lost"))
                waiting.exception()
        if connection is not None:
            await _hang_up(connection)
        if lost:
            self._deafened(lost)


def _packed(command: Command) -> bytes:
    return bytes(pack_command(command))  # type: ignore[arg-type]  # declared for commands of one word


async def _reply(connection: AbstractConnection) -> object:
    try:
        return await connection.read_response(timeout=math.inf, disconnect_on_error=False)
    except ResponseError as error:
        return error


async def _send(connection: AbstractConnection, command: bytes, channels: Sequence[bytes]) -> None:
    """One command for each channel: those of several slots may not be named together."""
    packed = [_packed((command, channel)) for channel in channels]
    await connection.send_packed_command(packed, check_health=False)


async def _hang_up(connection: AbstractConnection) -> None:
    with suppress(*_FAILURES):
        await connection.disconnect(nowait=True)


def _in_words(error: BaseException) -> str:
    words = str(error).partition("\n")[0]
    return words or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
