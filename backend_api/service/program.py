"""What both programs do before and after they serve: arguments, settings, logs, signals, exit status.

Exit status: 0 when stopped by a signal, 1 for a bug, 2 usage, 75 temporary (try again), 78 configuration.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
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
    `launch` serves in a way of its own and gives the exit status. `options` are whole numbers of its table that the
    command line takes too, each with its help.
    """

    name: str
    table: str
    settings: type[Root]
    run: Callable[[Root, asyncio.Event], Awaitable[None]]
    check: Callable[[Root], Coroutine[Any, Any, None]] | None = None
    launch: Callable[[Root], int] | None = None
    options: Mapping[str, str] = MappingProxyType({})


def main(program: Program[Root], argv: Sequence[str] | None = None) -> int:
    """Runs the program; the exit status. What is wrong is one line on stderr."""
    arguments = _arguments(program, argv)
    return guarded(program.name, lambda: _act(program, arguments))


def guarded(name: str, act: Callable[[], int]) -> int:
    """The exit status of `act`, or that of the error that kept it from starting, said in one line."""
    try:
        return act()
    except ConfigError as error:
        return _fail(name, error, EXIT_CONFIG)
    except StartError as error:
        return _fail(name, error, EXIT_TEMPORARY)


def serve(program: Program[Root], settings: Root) -> int:
    """Runs the program in this process until a signal comes. Raises ConfigError, StartError."""
    own: HttpSettings = getattr(settings, program.table)
    logs.configure(own.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(program, settings))
    return 0


def _act(program: Program[Root], arguments: argparse.Namespace) -> int:
    settings = load(program.settings, arguments.config, _overrides(program, arguments), secrets=arguments.secrets)
    if not arguments.check_config:
        return serve(program, settings) if program.launch is None else program.launch(settings)
    if program.check is not None:
        asyncio.run(program.check(settings))
    return 0


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
    for name, words in program.options.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=words)
    parser.add_argument("--check-config", action="store_true", help="only check the settings")
    parser.add_argument("--version", action="version", version=f"{program.name} {version(DISTRIBUTION)}")
    return parser.parse_args(argv)


def _overrides(program: Program[Root], arguments: argparse.Namespace) -> dict[str, object]:
    names = ("host", "port", *program.options)
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return {program.table: given} if given else {}


def _fail(name: str, error: Exception, status: int) -> int:
    sys.stderr.write(f"{name}: {error}\n")
    return status
