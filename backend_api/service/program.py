"""What both programs do before and after they serve: arguments, settings, logs, signals, exit status.

Exit status: 0 when stopped by a signal, 1 for a bug, 2 usage, 75 temporary (try again), 78 configuration.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import structlog
import uvloop
from pydantic import BaseModel

from backend_api.service import logs
from backend_api.service.errors import ConfigError, StartError
from backend_api.service.settings import HttpSettings, load

EXIT_TEMPORARY = 75
EXIT_CONFIG = 78
DISTRIBUTION = "presence-stack"

Root = TypeVar("Root", bound=BaseModel)

log = structlog.get_logger(__name__)


class Program(NamedTuple, Generic[Root]):
    """A program: `table` is the name of its own settings in the root, `run` serves until the event is set.

    `check` raises ConfigError for settings that are well-formed and yet nothing to start with; it connects nowhere.
    """

    name: str
    table: str
    settings: type[Root]
    run: Callable[[Root, asyncio.Event], Awaitable[None]]
    check: Callable[[Root], Coroutine[Any, Any, None]] | None = None


def main(program: Program[Root], argv: Sequence[str] | None = None) -> int:
    """Runs the program; the exit status. What is wrong is one line on stderr."""
    arguments = _arguments(program, argv)
    try:
        settings = load(program.settings, arguments.config, _overrides(program, arguments), secrets=arguments.secrets)
        if not arguments.check_config:
            _serve(program, settings)
        elif program.check is not None:
            asyncio.run(program.check(settings))
    except ConfigError as error:
        return _fail(program, error, EXIT_CONFIG)
    except StartError as error:
        return _fail(program, error, EXIT_TEMPORARY)
    return 0


def _serve(program: Program[Root], settings: Root) -> None:
    own: HttpSettings = getattr(settings, program.table)
    logs.configure(own.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(program, settings))


async def _until_stopped(program: Program[Root], settings: Root) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await program.run(settings, stop)
    log.info("stopped")


def _arguments(program: Program[Root], argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program.name)
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    parser.add_argument("--secrets", type=Path, metavar="DIR", help="a folder with one file per secret setting")
    parser.add_argument("--host", help="the address to listen on")
    parser.add_argument("--port", type=int, help="the port to listen on; 0 takes any free one")
    parser.add_argument("--check-config", action="store_true", help="only check the settings")
    parser.add_argument("--version", action="version", version=f"{program.name} {version(DISTRIBUTION)}")
    return parser.parse_args(argv)


def _overrides(program: Program[Root], arguments: argparse.Namespace) -> dict[str, object]:
    given = {name: getattr(arguments, name) for name in ("host", "port") if getattr(arguments, name) is not None}
    return {program.table: given} if given else {}


def _fail(program: Program[Root], error: Exception, status: int) -> int:
    sys.stderr.write(f"{program.name}: {error}\n")
    return status
