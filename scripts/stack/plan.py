"""Decides what the local stack sets for its programs: only what neither the file nor the environment does.

Pure: the file's tables and the environment are arguments.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from backend_api.service.layers import LEGACY_NAMES
from scripts.stack.keyring import Keyring

BACKEND_PORT = 8080
PRESENCE_PORT = 8090

_OLD_NAMES = {path: name for name, path in LEGACY_NAMES.items()}


class Ports(NamedTuple):
    """Where the two programs listen."""

    backend: int
    presence: int


class Configured:
    """What the operator has set, in the file or in the environment."""

    def __init__(self, tables: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._tables = tables
        self._environ = environ

    def get(self, name: str) -> Any:
        """The value of a setting by its environment name, `BACKEND__MONGO__URL`; None where it is unset or empty."""
        path = tuple(name.lower().split("__"))
        for variable in (name, _OLD_NAMES.get(path, name)):
            if self._environ.get(variable):
                return self._environ[variable]
        value: Any = self._tables
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def has(self, *names: str) -> bool:
        return any(self.get(name) is not None for name in names)


def choose_ports(configured: Configured, backend: int | None, presence: int | None) -> Ports:
    """The command line's ports, else the configured ones, else the defaults. ValueError for one that is none."""
    return Ports(
        backend or _port(configured, "BACKEND__PORT") or BACKEND_PORT,
        presence or _port(configured, "PRESENCE__PORT") or PRESENCE_PORT,
    )


def _port(configured: Configured, name: str) -> int | None:
    value = configured.get(name)
    if value is not None and not str(value).isdecimal():
        raise ValueError(f"{name.lower().replace('__', '.')}: '{value}' is not a port")
    return None if value is None else int(value)


def embeds_mongo(configured: Configured) -> bool:
    return not configured.has("BACKEND__MONGO__URL")


def environment(
    configured: Configured, ports: Ports, *, keyring: Keyring, data: Path, mongo_url: str | None
) -> dict[str, str]:
    """Settings for both programs, by environment name. `mongo_url` is the embedded database's, if there is one."""
    backend_url = f"http://127.0.0.1:{ports.backend}"
    wanted = {
        "BACKEND__PUBLIC_URL": backend_url,
        "PRESENCE__PUBLIC_URL": f"http://127.0.0.1:{ports.presence}",
        "PRESENCE__BACKEND__URLS": json.dumps([backend_url]),
        "PRESENCE__DATA_DIR": str(data / "presence"),
        "BACKEND__VIEWERS__ANALYTICS_KINDS": '["*"]',
    }
    if not configured.has("INTERNAL__API_KEY", "INTERNAL__SIGNING_KEYS"):
        wanted |= _internal(keyring)
    if not configured.has("AUTH__SECRET", "AUTH__JWKS_URL"):
        wanted["AUTH__SECRET"] = keyring.token_secret
    unset = {name: value for name, value in wanted.items() if not configured.has(name)}
    forced = {"BACKEND__PORT": str(ports.backend), "PRESENCE__PORT": str(ports.presence)}
    if mongo_url is not None:
        forced |= {"BACKEND__MONGO__URL": mongo_url, "BACKEND__MONGO__EMBEDDED": "true"}
    return unset | forced


def uses_own_secrets(configured: Configured) -> bool:
    """Whether keys and tokens are the local stack's own, rather than the operator's."""
    names = ("INTERNAL__API_KEY", "INTERNAL__SIGNING_KEYS", "AUTH__SECRET", "AUTH__JWKS_URL")
    return not configured.has(*names)


def token_secret(configured: Configured, keyring: Keyring) -> str | None:
    """What signs the tokens in the printed links; None where the operator's tokens come from elsewhere."""
    return None if configured.has("AUTH__SECRET", "AUTH__JWKS_URL") else keyring.token_secret


def _internal(keyring: Keyring) -> dict[str, str]:
    scopes = ["snapshots", "sessions", "read", "admin"]
    key = {"id": keyring.signing_key_id, "secret": keyring.signing_key, "scopes": scopes}
    return {"INTERNAL__API_KEY": keyring.api_key, "INTERNAL__SIGNING_KEYS": json.dumps([key])}
