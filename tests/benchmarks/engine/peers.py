"""Who is measured: how each server is started, and where it comes from."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from presence_server.engine import straight

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / "var" / "cache" / "bench"
MODULES = CACHE / "node_modules"
PACKAGES = {
    "socket.io": "4.8.4",
    "@trufflesuite/uws-js-unofficial": "20.30.0-unofficial.0",
    "@socket.io/bun-engine": "0.1.2",
    "bun": "1.4.5",
}
OURS, FLOOR, NODE, BUN, UWS, PLAIN = "ours", "C floor", "Node", "Bun", "uWebSockets", "plain python"


@dataclass
class Peer:
    """A server; `command` gets the port and the ping interval. `missing` says why it cannot run."""

    name: str
    version: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    missing: str = ""


def build() -> str:
    """Compile the load generator and the floor into the cache; why not, or nothing."""
    if shutil.which("gcc") is None:
        return "gcc is not here"
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("load", "floor"):
        source, target = HERE / f"{name}.c", CACHE / name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", "-O2", "-o", target, source], check=True)
    return ""


def install() -> None:
    """Bring the JavaScript peers into the cache, at their exact versions; no lock file."""
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = [f"{name}@{number}" for name, number in PACKAGES.items()]
    quiet = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        npm = ["npm", "install", *quiet, "--prefix", CACHE, *wanted]
        subprocess.run(npm, stdout=sys.stderr, check=False, timeout=300)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        print(f"The JavaScript peers could not be brought: {error}", file=sys.stderr)


def peers() -> list[Peer]:
    """All of them, in the order of the table."""
    node = {"NODE_PATH": str(MODULES)}
    bun, server = MODULES / ".bin" / "bun", str(HERE / "server_node.cjs")
    socketio_js = f"socket.io {PACKAGES['socket.io']}"
    engine, uws = PACKAGES["@socket.io/bun-engine"], PACKAGES["@trufflesuite/uws-js-unofficial"]
    library, plain = f"python-socketio {version('python-socketio')}", f"aiohttp {version('aiohttp')}"
    writer = "in Python" if straight.write_all is straight.write_all_in_python else "in C"
    ours = f"{library}, uvloop {version('uvloop')}, frames written {writer}"
    found = [
        Peer(FLOOR, "epoll", [str(CACHE / "floor")]),
        Peer(OURS, ours, [sys.executable, str(HERE / "server_ours.py")]),
        Peer(BUN, f"{PACKAGES['bun']}, bun-engine {engine}", [str(bun), str(HERE / "server_bun.mjs")], node),
        Peer(UWS, f"{uws.partition('-')[0]}, {socketio_js}", ["node", server], node | {"UWS": "1"}),
        Peer(NODE, f"{_node_version()}, {socketio_js}", ["node", server], node),
        Peer(PLAIN, f"{library}, {plain}", [sys.executable, str(HERE / "server_plain.py")]),
    ]
    for peer in found:
        peer.missing = _missing(peer, bun)
        peer.environment = {**os.environ, "PYTHONPATH": str(HERE.parents[2]), **peer.environment}
    return found


def _node_version() -> str:
    if shutil.which("node") is None:
        return "-"
    return subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()


def _missing(peer: Peer, bun: Path) -> str:
    if peer.name == FLOOR:
        return "" if (CACHE / "floor").exists() else "gcc is not here"
    if peer.name == BUN and not bun.exists():
        return "not installed (--install)"
    if peer.name in (NODE, UWS) and shutil.which("node") is None:
        return "node is not here"
    if peer.name in (NODE, UWS) and not MODULES.exists():
        return "not installed (--install)"
    return ""
