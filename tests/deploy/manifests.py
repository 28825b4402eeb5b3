"""What the files in `deploy/` say, read as the platforms read them, and held against the programs' own settings."""

import inspect
import re
from pathlib import Path
from typing import Any

import yaml

import backend_api.config
import presence_server.config
from backend_api.service.settings import load
from presence_server.app import LAST_SENDS_SECONDS
from presence_server.engine import Engine, EngineSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SECRETS = {
    "internal__api_key": "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe",
    "auth__secret": "t0kNw5RjX9bVq2Zs8CyUhEa7LmPdKf3G",
    "backend__mongo__url": "mongodb://mongo-1,mongo-2/?replicaSet=rs0&w=majority",
}


def seconds_to_drain(drain_seconds: float, sockets: int) -> float:
    """How long a presence process may take from SIGTERM to its end, everybody being as slow as may be."""
    engine = EngineSettings()
    closing = engine.close_seconds + 2 * engine.handler_seconds + 2 * engine.tick_seconds
    pace = inspect.signature(Engine.drain).parameters["sockets_per_second"].default
    return drain_seconds + sockets / pace + closing + LAST_SENDS_SECONDS


def documents(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((DEPLOY / name).read_text()) if one]


def interpolated(value: object) -> str:
    """A value of the compose file where nothing is set in the environment."""
    return re.sub(r"\$\{[A-Z_]+:-((?:[^}])*)\}", r"\1", str(value))


def image_environment() -> dict[str, str]:
    """What the image sets."""
    [block] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in block.replace("\\\n", " ").split())


def settings_of(program: str, environ: dict[str, str], secrets: Path) -> Any:
    """The program's settings under this environment; ConfigError where a name or a value is wrong."""
    root = {"presence-server": presence_server.config.Root, "backend-api": backend_api.config.Root}[program]
    return load(root, None, {}, secrets=secrets, environ=image_environment() | environ)
