"""The program `presence-server`."""

import sys
from collections.abc import Sequence

from backend_api.service import program
from presence_server.app import run
from presence_server.config import Root

PROGRAM = program.Program(name="presence-server", table="presence", settings=Root, run=run)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the presence server until a signal comes; the exit status."""
    return program.main(PROGRAM, argv)


if __name__ == "__main__":
    sys.exit(main())
