"""The settings of this program, `[presence]` and what it shares with the backend, and the relations between them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from backend_api.contract.rooms import PUBLIC_KINDS, RoomKind
from backend_api.contract.snapshots import Node
from backend_api.service.settings import AuthSettings, HttpSettings, InternalSettings, Peer, Section
from backend_api.service.values import HeaderName, HttpUrl, Port
from presence_server.presence.address import parse

SILENCE_SECONDS = 150.0
"""A session that only beats over HTTP is stale after this; a socket has to be found dead before."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _with_slash(path: str) -> str:
    return path if path.endswith("/") else path + "/"


def _redis_url(text: str | None) -> str | None:
    if not text:
        return None
    parse(text)
    return text


SocketPath = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9_.-]+)+/?$"), AfterValidator(_with_slash)]

LONGEST_NODE = 64
"""So many characters has a node's name at most, on the wire as well."""


class SocketSettings(Section):
    """How sockets are reached and how long a silent one is believed."""

    path: SocketPath = "/socket.io/"
    transports: tuple[Literal["polling", "websocket"], ...] = Field(default=("polling", "websocket"), min_length=1)
    ping_interval_seconds: Positive = 25.0
    ping_timeout_seconds: Positive = 20.0
    max_payload_bytes: Annotated[int, Field(ge=1_024, le=16 * 1024 * 1024)] = 65_536

    @model_validator(mode="after")
    def _dead_before_silent(self) -> Self:
        if self.ping_interval_seconds + self.ping_timeout_seconds >= SILENCE_SECONDS:
            raise ValueError(
                f"ping_interval_seconds and ping_timeout_seconds together must be below {SILENCE_SECONDS:g}: "
                "a lost socket has to be noticed before its session counts as silent"
            )
        return self


class LimitSettings(Section):
    """What one client may ask for."""

    sockets_per_address: Annotated[int, Field(ge=1)] = 1_000
    guest_sessions_per_address: Annotated[int, Field(ge=1)] = 200
    rooms_per_socket: Annotated[int, Field(ge=1, le=1_000)] = 20
    events_per_second: Positive = 10.0
    events_at_once: Annotated[int, Field(ge=1)] = 40

    @model_validator(mode="after")
    def _a_reconnect_fits(self) -> Self:
        if self.events_at_once < self.rooms_per_socket:
            raise ValueError("events_at_once must not be below rooms_per_socket: a client joins all its rooms at once")
        return self


class BroadcastSettings(Section):
    """How often a room hears its count."""

    updates_per_second: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 10.0


class BackendSettings(Section):
    """Where reports go; the next URL is tried when one does not answer."""

    urls: tuple[HttpUrl, ...] = Field(default=("http://127.0.0.1:8080",), min_length=1)
    timeout_seconds: Annotated[float, Field(gt=0, le=120, allow_inf_nan=False)] = 10.0


class OutboxSettings(Section):
    """The durable queue of reports: how large it may grow, how fast it may be emptied after an outage."""

    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = 512 * 1024 * 1024
    sends_per_second: Positive = 10.0


class RedisSettings(Section):
    """Where the nodes of one presence share their counts; without a URL this process counts alone.

    The forms of the URL are those of `presence.address`.
    """

    url: Annotated[str | None, AfterValidator(_redis_url), Field(repr=False)] = None


class PresenceSettings(HttpSettings):
    """The table `[presence]`."""

    port: Port = 8090
    node: Node | None = None
    data_dir: Path = Path("var/presence")
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    drain_seconds: Annotated[float, Field(ge=0, le=300)] = 0.0
    public_kinds: tuple[RoomKind, ...] = PUBLIC_KINDS
    socket: SocketSettings = SocketSettings()
    limits: LimitSettings = LimitSettings()
    broadcast: BroadcastSettings = BroadcastSettings()
    backend: BackendSettings = BackendSettings()
    outbox: OutboxSettings = OutboxSettings()
    redis: RedisSettings = RedisSettings()

    @model_validator(mode="after")
    def _several_processes_can_share_a_port(self) -> Self:
        if self.processes > 1 and self.redis.url is None:
            raise ValueError(
                "several processes share their counts over Redis: set presence.redis.url, or processes = 1"
            )
        if self.processes > 1 and self.node is not None and len(f"{self.node}-{self.processes}") > LONGEST_NODE:
            raise ValueError(
                f"several processes are called node-1, node-2 ...: presence.node may have "
                f"{LONGEST_NODE - len(f'-{self.processes}')} characters then"
            )
        if self.processes > 1 and "polling" in self.socket.transports:
            raise ValueError(
                "several processes on one port speak websocket only, for no two polls of a client reach the same one: "
                'set presence.socket.transports = ["websocket"], or give each process a port of its own behind a '
                "balancer that is sticky"
            )
        return self


class PlacesPeer(BaseModel):
    """The headers in which trusted proxies say where a client is."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    country_header: HeaderName | None = None
    region_header: HeaderName | None = None

    @property
    def headers(self) -> tuple[str, ...]:
        """Their names in lower case."""
        return tuple(name.lower() for name in (self.country_header, self.region_header) if name is not None)


class ViewersPeer(BaseModel):
    """How long the backend takes late parts."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    part_retention_days: Annotated[int, Field(ge=2)] = 8


class BackendPeer(Peer):
    """Where the backend's pages are: they connect to us. And what both programs are told about places and parts."""

    public_url: HttpUrl = "http://127.0.0.1:8080"
    viewers: ViewersPeer = ViewersPeer()
    places: PlacesPeer = PlacesPeer()


class Root(Section):
    """The whole configuration as this program reads it."""

    presence: PresenceSettings = PresenceSettings()
    backend: BackendPeer = BackendPeer()
    internal: InternalSettings
    auth: AuthSettings

    @model_validator(mode="after")
    def _reports_can_be_signed(self) -> Self:
        self.internal.key_for("snapshots")
        return self
