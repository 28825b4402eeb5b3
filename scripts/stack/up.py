"""`scripts/up`: starts the whole product on this machine, waits until it is ready, stops it in order."""

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from scripts.stack import folder, keyring, plan
from scripts.stack.links import describe
from scripts.stack.processes import StackError
from scripts.stack.supervisor import Stack

MOST_PROCESSES = 32


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port between 1 and 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number between 1 and {MOST_PROCESSES}")
    return int(text)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/up",
        description="Starts an embedded database, backend_api and presence_server; Ctrl-C stops them.",
        epilog="What is neither in FILE nor in the environment gets a local default; a second start keeps the data.",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("var"), metavar="DIR", help="where everything is kept (./var)"
    )
    parser.add_argument("--backend-port", type=_port, metavar="PORT", help=f"({plan.BACKEND_PORT})")
    parser.add_argument("--presence-port", type=_port, metavar="PORT", help=f"({plan.PRESENCE_PORT})")
    parser.add_argument(
        "--presence", type=_count, default=1, metavar="N",
        help="so many presence processes on ports from --presence-port on, with a Redis between them (1)",
    )  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file as config.example.toml")
    parser.add_argument("--demo", action="store_true", help="simulated viewers come and go in three auctions")
    return parser.parse_args(argv)


def _tables(config: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text()) if config else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StackError(f"{config}: {error}", 78) from None


def _ports(configured: plan.Configured, options: argparse.Namespace) -> plan.Ports:
    try:
        return plan.choose_ports(configured, options.backend_port, options.presence_port, options.presence)
    except ValueError as error:
        raise StackError(str(error), 78) from None


def _check_ports(configured: plan.Configured, ports: plan.Ports) -> None:
    """Every port that will be opened can be; StackError names the first that cannot, and what chooses it."""
    wanted = plan.listeners(configured, ports)
    numbers = [port for _, _, port in wanted]
    twice = next((port for port in numbers if numbers.count(port) > 1), None)
    if twice is not None:
        who = " and ".join(option for option, _, port in wanted if port == twice)
        raise StackError(f"port {twice} is wanted twice, by {who}; choose another", 2)
    for option, host, port in wanted:
        try:
            _probe(host, port)
        except OSError as error:
            raise StackError(
                f"port {port} on {host} cannot be used ({error.strerror}); choose another with {option}", 75
            ) from None


def _probe(host: str, port: int) -> None:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


async def _run(options: argparse.Namespace) -> None:
    configured = plan.Configured(_tables(options.config), os.environ)
    data: Path = options.data.absolute()
    with folder.claim(data):
        folder.rotate_logs(data / "logs")
        ring = keyring.load_or_make(data)
        ports = _ports(configured, options)
        _check_ports(configured, ports)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        stack = Stack(configured, ports, keyring=ring, data=data, config=options.config)
        try:
            if await stack.start(demo=options.demo, stop=stop):
                where, secret = plan.addresses(configured, ports), plan.token_secret(configured, ring)
                print(describe(where, secret, data=data, redis_url=stack.redis_url, now=time.time()), flush=True)
                await stack.watch(stop)
        finally:
            await stack.close()


def main(argv: list[str] | None = None) -> int:
    """0 after Ctrl-C or SIGTERM; otherwise one line on standard error and the code of what went wrong."""
    try:
        asyncio.run(_run(_arguments(argv)))
    except (StackError, keyring.KeyringError) as error:
        print(f"scripts/up: {error}", file=sys.stderr)
        return error.code if isinstance(error, StackError) else 78
    return 0
