"""A crowd that comes and goes for a long time, and what the server holds meanwhile."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.end_to_end.soak.server import Figures, Server, serving
from tests.end_to_end.soak.viewers import Crowd


class Plan(NamedTuple):
    """How many sockets in how many rooms, how many of them are replaced a second, for how long."""

    sockets: int
    rooms: int
    churn_per_second: float
    seconds: float
    look_seconds: float
    ping_seconds: tuple[float, float] = (25.0, 20.0)
    seed: int = 1


class Result(NamedTuple):
    """`looks` were taken under churn, by seconds since it began; `wrong` counts rooms whose count was not the truth."""

    before: Figures
    looks: list[tuple[float, Figures]]
    wrong: int
    lost: int
    replaced: int
    after: Figures


Look = Callable[[float, Figures], None]


async def soak(plan: Plan, folder: Path, look: Look) -> Result:
    """Fills the rooms, churns, compares every count with the truth, empties the rooms. `look` hears each look."""
    async with serving(folder, plan.sockets, plan.ping_seconds) as server:
        before = await server.figures()
        crowd = Crowd(server.port, plan.rooms, plan.seed)
        for _ in range(0, plan.sockets, 100):
            await asyncio.gather(*(crowd.enter() for _ in range(min(100, plan.sockets - len(crowd.here)))))
        looks: list[tuple[float, Figures]] = []

        def looked(at: float, figures: Figures) -> None:
            looks.append((at, figures))
            look(at, figures)

        replaced = await _churn(plan, server, crowd, looked)
        await _until_silence_is_noticed(plan, crowd)
        counts, truth = await server.counts(), crowd.counts()
        wrong = sum(counts.get(room) != truth.get(room) for room in counts.keys() | truth.keys())
        lost = crowd.lost()
        await crowd.leave()
        after = await _at_rest(server, before)
        return Result(before, looks, wrong, lost, replaced, after)


async def _churn(plan: Plan, server: Server, crowd: Crowd, look: Look) -> int:
    start = time.monotonic()
    replaced, looked = 0, 0
    while (passed := time.monotonic() - start) < plan.seconds:
        # What is due by now, whatever was late: the churn is what was asked for, on average.
        for _ in range(int(passed * plan.churn_per_second) - replaced):
            await crowd.replace()
            replaced += 1
        if passed >= looked * plan.look_seconds:
            look(passed, await server.figures())
            looked += 1
        await asyncio.sleep(0.02)
    look(time.monotonic() - start, await server.figures())
    return replaced


async def _until_silence_is_noticed(plan: Plan, crowd: Crowd) -> None:
    async with asyncio.timeout(sum(plan.ping_seconds) + 4):
        await asyncio.gather(*(viewer.lost for viewer in crowd.silent))
        await asyncio.sleep(2)


async def _at_rest(server: Server, before: Figures) -> Figures:
    """What it holds when nobody is there: once it is back at its base, or after a while."""
    figures = await server.figures()
    for _ in range(50):
        if figures.descriptors <= before.descriptors and figures.connections == 0:
            break
        await asyncio.sleep(0.1)
        figures = await server.figures()
    return figures
