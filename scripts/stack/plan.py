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
INTERNAL_PORT = 8081
PRESENCE_PORT = 8090
LAST_PORT = 65_535
COUNTRY_HEADER = "X-Country"
"""Where the local backend, which only this machine can reach, is told a country: no address of it has one."""

_COUNTRY = "BACKEND__PLACES__COUNTRY_HEADER"
_OLD_NAMES = {path: name for name, path in LEGACY_NAMES.items()}
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class Ports(NamedTuple):
    """Where the programs listen; several presence processes have consecutive ports, `presence` is the first."""

    backend: int
    presence: int
    processes: int = 1

    @property
    def of_presence(self) -> range:
        return range(self.presence, self.presence + self.processes)


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

    def text(self, name: str, default: str) -> str:
        """A setting that is a text; what is none is for the program itself to refuse."""
        value = self.get(name)
        return default if value is None else str(value)


class Addresses(NamedTuple):
    """Where the programs are reached: `backend` and `presence` from this machine, the public ones by browsers."""

    backend: str
    presence: tuple[str, ...]
    public_backend: str
    public_presence: tuple[str, ...]
    socket_path: str


def addresses(configured: Configured, ports: Ports) -> Addresses:
    """By the configured hosts, public URLs and path; several processes behind one public URL share it."""
    backend = local_url(configured.text("BACKEND__HOST", "127.0.0.1"), ports.backend)
    host = configured.text("PRESENCE__HOST", "127.0.0.1")
    presence = tuple(local_url(host, port) for port in ports.of_presence)
    public = tuple(dict.fromkeys(configured.text("PRESENCE__PUBLIC_URL", url).rstrip("/") for url in presence))
    path = configured.text("PRESENCE__SOCKET__PATH", "/socket.io/").rstrip("/") + "/"
    return Addresses(
        backend, presence, configured.text("BACKEND__PUBLIC_URL", backend).rstrip("/"), public, socket_path=path
    )


def local_url(host: str, port: int) -> str:
    """How this machine reaches what listens on `host`, which may stand for all addresses."""
    reached = _EVERYWHERE.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def transports(configured: Configured) -> tuple[str, ...]:
    """What the sockets speak, for the demo's clients: websocket wherever it is spoken."""
    value = configured.get("PRESENCE__SOCKET__TRANSPORTS")
    return ("polling",) if value is not None and "websocket" not in value else ("websocket",)


def choose_ports(configured: Configured, backend: int | None, presence: int | None, processes: int = 1) -> Ports:
    """The command line's ports, else the configured ones, else the defaults. ValueError for one that is none."""
    ports = Ports(
        backend or _port(configured, "BACKEND__PORT") or BACKEND_PORT,
        presence or _port(configured, "PRESENCE__PORT") or PRESENCE_PORT,
        processes,
    )
    if ports.of_presence[-1] > LAST_PORT:
        raise ValueError(f"{processes} ports from {ports.presence} on end beyond {LAST_PORT}; choose a lower one")
    return ports


def listeners(configured: Configured, ports: Ports) -> list[tuple[str, str, int]]:
    """Every port that will be opened: what chooses it, its host, its number."""
    host, presence_host = (configured.text(f"{name}__HOST", "127.0.0.1") for name in ("BACKEND", "PRESENCE"))
    found = [("--backend-port", host, ports.backend)]
    found += [("--presence-port", presence_host, port) for port in ports.of_presence]
    if configured.has("BACKEND__INTERNAL_HOST"):
        found.append(("backend.internal_port", *_internal_listener(configured)))
    return found


def _internal_listener(configured: Configured) -> tuple[str, int]:
    port = _port(configured, "BACKEND__INTERNAL_PORT") or INTERNAL_PORT
    return configured.text("BACKEND__INTERNAL_HOST", "127.0.0.1"), port


def _port(configured: Configured, name: str) -> int | None:
    value = configured.get(name)
    if value is not None and not (str(value).isdecimal() and int(value) <= LAST_PORT):
        raise ValueError(f"{name.lower().replace('__', '.')}: '{value}' is not a port")
    return None if value is None else int(value)


def embeds_mongo(configured: Configured) -> bool:
    return not configured.has("BACKEND__MONGO__URL")


def embeds_redis(configured: Configured, ports: Ports) -> bool:
    """Several presence processes meet in Redis; one alone needs none."""
    return ports.processes > 1 and not configured.has("PRESENCE__REDIS__URL")


def environment(
    configured: Configured, ports: Ports, *, keyring: Keyring, data: Path, mongo_url: str | None
) -> dict[str, str]:
    """Settings for both programs, by environment name. `mongo_url` is the embedded database's, if there is one."""
    where = addresses(configured, ports)
    internal = local_url(*_internal_listener(configured)) if configured.has("BACKEND__INTERNAL_HOST") else where.backend
    wanted = {
        "BACKEND__PUBLIC_URL": where.backend,
        "PRESENCE__PUBLIC_URL": where.presence[0],
        "PRESENCE__BACKEND__URLS": json.dumps([internal]),
        "PRESENCE__DATA_DIR": str(data / "presence"),
        "BACKEND__VIEWERS__ANALYTICS_KINDS": '["*"]',
    }
    if not configured.has("INTERNAL__API_KEY", "INTERNAL__SIGNING_KEYS"):
        wanted |= _internal(keyring)
    if not configured.has("AUTH__SECRET", "AUTH__JWKS_URL"):
        wanted["AUTH__SECRET"] = keyring.token_secret
    if not configured.has("BACKEND__HOST", "BACKEND__TRUSTED_PROXIES", "BACKEND__PLACES__FILE", _COUNTRY):
        wanted |= {
            "BACKEND__TRUSTED_PROXIES": '["127.0.0.1/32"]',
            _COUNTRY: COUNTRY_HEADER,
        }
    unset = {name: value for name, value in wanted.items() if not configured.has(name)}
    forced = {"BACKEND__PORT": str(ports.backend), "PRESENCE__PORT": str(ports.presence)}
    if mongo_url is not None:
        forced |= {"BACKEND__MONGO__URL": mongo_url, "BACKEND__MONGO__EMBEDDED": "true"}
    return unset | forced


def presence_folder(configured: Configured, data: Path) -> Path:
    """Where the first presence process keeps what is its own; the others' are beside it."""
    return Path(configured.text("PRESENCE__DATA_DIR", str(data / "presence")))


def process_environment(
    configured: Configured, ports: Ports, index: int, *, data: Path, redis_url: str | None
) -> dict[str, str]:
    """What one of several presence processes has to itself, on top of `environment`; the first keeps what is set."""
    env = {} if redis_url is None else {"PRESENCE__REDIS__URL": redis_url}
    if index == 0:
        return env
    where = addresses(configured, ports)
    folder = presence_folder(configured, data)
    env |= {"PRESENCE__PORT": str(ports.of_presence[index]), "PRESENCE__DATA_DIR": f"{folder}-{index + 1}"}
    if not configured.has("PRESENCE__PUBLIC_URL"):
        env["PRESENCE__PUBLIC_URL"] = where.presence[index]
    if configured.has("PRESENCE__NODE"):
        env["PRESENCE__NODE"] = f"{configured.get('PRESENCE__NODE')}-{index + 1}"
    return env


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
