"""The program `presence-server`."""

import asyncio
import sys
from collections.abc import Callable, Sequence

from backend_api.service import program
from presence_server.app import run
from presence_server.config import Root
from presence_server.processes import hear_signals, run_processes


def launch(settings: Root) -> int:
    """Serves here, or in several processes where that is asked for; the exit status."""
    if settings.presence.processes == 1:
        return program.serve(PROGRAM, settings)
    return run_processes(settings, _serve_one)


def _serve_one(settings: Root, ready: Callable[[], None]) -> int:
    async def run_one(own: Root, stop: asyncio.Event) -> None:
        hear_signals()
        await run(own, stop, ready)

    return program.guarded(PROGRAM.name, lambda: program.serve(PROGRAM._replace(run=run_one), settings))


PROGRAM = program.Program(
    name="presence-server",
    table="presence",
    settings=Root,
    run=run,
    launch=launch,
    options={"processes": "how many processes share the port"},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the presence server until a signal comes; the exit status."""
    return program.main(PROGRAM, argv)


if __name__ == "__main__":
    sys.exit(main())
