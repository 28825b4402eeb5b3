"""Sends everybody away politely: told first, then closed in slices, so that they come back spread over time."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from presence_server.fanout import Sockets

DRAINING_EVENT = "server:draining"
RETRY_WITHIN_SECONDS = 5.0

_SLICE = 50
_SLICE_SECONDS = 0.1


async def drain(
    sockets: Sockets,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
) -> None:
    """Tell every socket when to come back, then close them, 500 a second. Nobody may connect any more."""
    connections = sockets.all()
    for connection in connections:
        sockets.send([connection], DRAINING_EVENT, {"retryInMs": int(chance() * RETRY_WITHIN_SECONDS * 1000)})
    for start in range(0, len(connections), _SLICE):
        for connection in connections[start : start + _SLICE]:
            await sockets.close(connection)
        await sleep(_SLICE_SECONDS)
