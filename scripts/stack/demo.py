"""`scripts/up --demo`: a few dozen simulated people over real sockets, so that the first look shows life."""

import argparse
import asyncio
import contextlib
import logging
import math
import random
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import socketio
from socketio.exceptions import SocketIOError

from scripts.stack import keyring
from scripts.stack.demo_school import LEARNERS, STUDENTS, School, Sockets, learner, student
from scripts.stack.links import DEMO_AUCTIONS, DEMO_CHANNEL

VIEWERS = 36
LISTENERS = 8
PEOPLE = 30
"""Fewer people than sockets: some have a second tab open."""
VISIT_SECONDS = (20.0, 150.0)
PAUSE_SECONDS = (1.0, 25.0)
CYCLE_SECONDS = 600.0
"""Every auction has its own rush hour within this time."""


def attraction(auction: int, at: float) -> float:
    """How much an auction draws at time `at` (0.1 to 1): a slow wave, shifted from one auction to the next."""
    return 0.55 + 0.45 * math.sin(2 * math.pi * (at / CYCLE_SECONDS + auction / len(DEMO_AUCTIONS)))


def choose_room(dice: random.Random, at: float) -> str:
    weights = [attraction(index, at) for index in range(len(DEMO_AUCTIONS))]
    return dice.choices(DEMO_AUCTIONS, weights)[0]


async def visit(sockets: Sockets, viewer_id: str, room: str, dice: random.Random) -> None:
    """One page view: connect, join, perhaps look at another tab for a while, go."""
    client = socketio.AsyncClient(reconnection=False)
    try:
        await client.connect(**sockets.choose(dice), auth={"viewerId": viewer_id})
        await client.call("join", {"room": room}, timeout=5)
        seconds = dice.uniform(*VISIT_SECONDS)
        await asyncio.sleep(seconds / 2)
        if dice.random() < 0.3:
            await client.emit("active", {"active": False})
        await asyncio.sleep(seconds / 2)
    finally:
        await client.disconnect()


async def listen(sockets: Sockets, listener_id: str, dice: random.Random) -> None:
    """One stretch of listening to the demo channel, with a stall now and then."""
    client = socketio.AsyncClient(reconnection=False)
    auth = {"channelId": DEMO_CHANNEL, "showId": "morning-show", "listenerId": listener_id}
    try:
        await client.connect(**sockets.choose(dice), auth=auth, namespaces=["/listening"])
        for _ in range(dice.randint(1, 5)):
            await asyncio.sleep(dice.uniform(*VISIT_SECONDS))
            stalls = int(dice.random() < 0.2)
            await client.emit("quality", {"buffering": stalls, "bitrate": 128_000}, namespace="/listening")
        await client.call("stop", namespace="/listening", timeout=5)
    finally:
        await client.disconnect()


async def listener(sockets: Sockets, seed: int) -> None:
    """Somebody who listens again and again."""
    dice = random.Random(1_000 + seed)  # noqa: S311 - nobody's secret
    while True:
        await asyncio.sleep(dice.uniform(*PAUSE_SECONDS))
        with contextlib.suppress(SocketIOError, OSError, TimeoutError):
            await listen(sockets, f"demo-listener-{seed}", dice)


async def viewer(sockets: Sockets, seed: int) -> None:
    """Somebody who comes back again and again, also after the server was away."""
    dice = random.Random(seed)  # noqa: S311 - nobody's secret
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(dice.uniform(*PAUSE_SECONDS))
        with contextlib.suppress(SocketIOError, OSError, TimeoutError):
            await visit(sockets, f"demo-{seed % PEOPLE}", choose_room(dice, loop.time()), dice)


async def run(sockets: Sockets, school: School | None) -> None:
    """Runs until SIGTERM or SIGINT; then everybody leaves."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [_task(viewer(sockets, seed)) for seed in range(VIEWERS)]
    tasks += [_task(listener(sockets, seed)) for seed in range(LISTENERS)]
    if school is not None:
        tasks += [_task(student(school, name, seed)) for seed, name in enumerate(STUDENTS)]
        tasks += [_task(learner(school, name, seed)) for seed, name in enumerate(LEARNERS)]
    await stop.wait()
    await end(tasks)


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels until all have ended: the client library loses a cancellation that comes together with an answer."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)
    await asyncio.gather(*tasks, return_exceptions=True)


def _task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presence", required=True, nargs="+", metavar="URL", help="each visit goes to any of them")
    parser.add_argument("--path", required=True, help="where its sockets are")
    parser.add_argument("--transports", required=True, nargs="+")
    parser.add_argument("--backend", required=True, metavar="URL")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the stack's folder, where its own secrets are in use")
    # The client library reports every refused connection with a traceback; here that is a retry.
    logging.disable(logging.CRITICAL)
    options = parser.parse_args()
    sockets = Sockets(tuple(options.presence), options.path, tuple(options.transports))
    school = None
    if options.data is not None:
        own = keyring.load(options.data)
        school = School(options.backend, sockets, own.api_key, own.token_secret)
    asyncio.run(run(sockets, school))
    return 0


if __name__ == "__main__":
    sys.exit(main())
