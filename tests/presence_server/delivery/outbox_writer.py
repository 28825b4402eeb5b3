"""Writers of numbered reports, one after the other, as fast as they can, each to be killed by its pid.

For each first number on stdin one is forked, for a whole new interpreter takes far longer than its life. It says its
pid, then which reports it was promised; `over` when it is dead.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from presence_server.delivery.outbox import opened


async def write(path: Path, first: int) -> None:
    async with opened(path, 64 * 1024 * 1024, time.time) as outbox:
        number = first
        while True:
            await outbox.add("/internal/v1/snapshots", [b"%d" % number, b"%d again" % number])
            sys.stdout.write(f"{number}\n")  # At once, whole: it may be the last word.
            sys.stdout.flush()
            number += 1


def main(path: Path) -> None:
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            print(os.getpid(), flush=True)
            asyncio.run(write(path, int(line)))
        os.waitpid(pid, 0)
        print("over", flush=True)


main(Path(sys.argv[1]))
