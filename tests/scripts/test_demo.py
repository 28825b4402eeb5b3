"""The demo's people leave when they are told to."""

import asyncio

from scripts.stack.demo import end


async def test_whoever_misses_a_cancellation_is_told_again():
    """As one that comes together with an answer, which Python 3.11's `wait_for` then returns; failures end it, too."""
    missed = []

    async def busy():
        while True:
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                if missed:
                    raise
                missed.append("the first one")

    async def fails():
        raise OSError("away")

    tasks = [asyncio.create_task(work) for work in (busy(), fails(), asyncio.sleep(3_600))]
    await asyncio.sleep(0)
    await asyncio.wait_for(end(tasks), 30)
    assert all(task.done() for task in tasks)
    assert missed == ["the first one"]
