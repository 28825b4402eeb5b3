"""Sends everybody away politely: told first, then let go in slices, so that they come back spread over time."""

import random
from collections.abc import Callable

from presence_server.engine import Engine

DRAINING_EVENT = "server:draining"
RETRY_WITHIN_SECONDS = 5.0


async def drain(engine: Engine, *, chance: Callable[[], float] = random.random) -> None:
    """Tell every socket when to come back, then let them all go. Nobody may connect any more."""
    for connection in engine.connections():
        engine.fanout.send({connection}, DRAINING_EVENT, {"retryInMs": int(chance() * RETRY_WITHIN_SECONDS * 1000)})
    await engine.drain()
