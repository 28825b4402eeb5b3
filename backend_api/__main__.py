"""The program `backend-api`."""

import sys
from collections.abc import Sequence

from backend_api.app import check, run
from backend_api.config import Root
from backend_api.service import program

PROGRAM = program.Program(name="backend-api", table="backend", settings=Root, run=run, check=check)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the backend until a signal comes; the exit status."""
    return program.main(PROGRAM, argv)


if __name__ == "__main__":
    sys.exit(main())
