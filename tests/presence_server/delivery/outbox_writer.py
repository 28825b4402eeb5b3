"""A process that writes numbered reports as fast as it can and says which ones it was promised; to be killed."""

import asyncio
import sys
import time
from pathlib import Path

from presence_server.delivery.outbox import opened


async def main(path: Path, first: int) -> None:
    async with opened(path, 64 * 1024 * 1024, time.time) as outbox:
        number = first
        while True:
            await outbox.add("/internal/v1/snapshots", [b"%d" % number, b"%d again" % number])
            print(number, flush=True)
            number += 1


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
