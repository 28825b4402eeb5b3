"""Where Redis is: the one URL that names a server, a set behind Sentinels or a Cluster. Pure; nothing connects here.

| URL | what |
|---|---|
| `redis://user:password@host:6379/0`, `rediss://...` | one server, in plain or with TLS |
| `unix:///run/redis.sock?db=0` | one server on this machine |
| `redis+sentinel://host:26379,host2/mymaster/0` | the server that these Sentinels call master of `mymaster` |
| `redis+cluster://host:6379,host2` | a Cluster, found through any of these nodes |

`rediss+sentinel` and `rediss+cluster` are the last two with TLS. User and password are Redis' own, the Sentinels'
too; a `%` in them is written `%25`.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

Kind = Literal["single", "unix", "sentinel", "cluster"]

REDIS_PORT, SENTINEL_PORT = 6379, 26379

_KINDS: dict[str, Kind] = {"": "single", "sentinel": "sentinel", "cluster": "cluster"}
_HOST = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?")
_SERVICE = re.compile(r"[A-Za-z0-9_.-]+")


class RedisAddress(NamedTuple):
    """What the URL says. `hosts` are Redis' own, the Sentinels' or any of the Cluster's; none for a unix socket."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    tls: bool = False
    username: str | None = None
    password: str | None = None
    database: int = 0
    service: str = ""
    socket_path: str = ""


def parse(url: str) -> RedisAddress:
    """The address that a URL names. Raises ValueError with a sentence that says what to write."""
    scheme, _, rest = url.partition("://")
    if scheme == "unix":
        return _unix(url)
    if not rest or scheme.partition("+")[0] not in ("redis", "rediss") or scheme.partition("+")[2] not in _KINDS:
        raise ValueError("must begin with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
    if "?" in rest or "#" in rest:
        raise ValueError("takes no query and no fragment")
    kind = _KINDS[scheme.partition("+")[2]]
    authority, _, path = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    username, password = _credentials(credentials)
    found = _hosts(hosts, SENTINEL_PORT if kind == "sentinel" else REDIS_PORT)
    if kind == "single" and len(found) > 1:
        raise ValueError("several hosts are a Sentinel's or a Cluster's: redis+sentinel:// or redis+cluster://")
    service, database = _path(kind, path)
    return RedisAddress(kind, found, scheme.startswith("rediss"), username, password, database, service)


def _unix(url: str) -> RedisAddress:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    database = options.pop("db", "0")
    if not parts.path.startswith("/") or parts.hostname or options:
        raise ValueError("must be unix:///path/to/redis.sock, with ?db=N where it is not database 0")
    username, password = _credentials(parts.netloc.rpartition("@")[0])
    return RedisAddress(
        "unix", username=username, password=password, database=_database(database), socket_path=unquote(parts.path)
    )


def _credentials(text: str) -> tuple[str | None, str | None]:
    username, _, password = text.partition(":")
    return unquote(username) or None, unquote(password) or None


def _hosts(text: str, port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for one in text.split(","):
        match = _HOST.fullmatch(one)
        if match is None or not 0 < int(match["port"] or port) <= 65_535:
            raise ValueError("must name its hosts: host, or host:port, several of a Sentinel or a Cluster with commas")
        found.append((match["host"].strip("[]"), int(match["port"] or port)))
    return tuple(found)


def _path(kind: Kind, path: str) -> tuple[str, int]:
    """The service of a Sentinel's URL, and the number of the database."""
    service = ""
    if kind == "sentinel":
        service, _, path = path.partition("/")
        if not _SERVICE.fullmatch(service):
            raise ValueError("must name what the Sentinels watch: redis+sentinel://host:26379/mymaster")
    if kind == "cluster" and path not in ("", "0"):
        raise ValueError("a Cluster has database 0 only")
    return service, _database(path or "0")


def _database(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text):
        raise ValueError("the database is a number, such as the 0 of redis://host:6379/0")
    return int(text)
