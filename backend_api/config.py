"""The backend's settings: its tables of the configuration, and how they must relate to each other."""

from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from backend_api.contract.rooms import RoomKind
from backend_api.engagement.settings import EngagementSettings
from backend_api.service.settings import AuthSettings, HttpSettings, InternalSettings, Peer, Section
from backend_api.service.values import HeaderName, HttpUrl, Port

Host = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
Days = Annotated[int, Field(ge=1, le=36_500)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone of the IANA database, such as Europe/Berlin") from None
    return name


class MongoSettings(Section):
    """The database. `embedded`: the stand-in of the local stack, whose TTL passes stop everything for seconds."""

    url: Annotated[str, Field(pattern=r"^mongodb(\+srv)?://", repr=False)] = "mongodb://127.0.0.1:27017"
    driver: Literal["pymongo", "motor"] = "pymongo"
    database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,63}$")] = "presence"
    embedded: bool = False


class ViewersSettings(Section):
    """How long viewer history is kept, and whose is recorded unless a room says otherwise."""

    retention_days: Days = 90
    summary_retention_days: Days = 730
    part_retention_days: Annotated[int, Field(ge=2, le=366)] = 8
    analytics_kinds: tuple[RoomKind | Literal["*"], ...] = ()

    @model_validator(mode="after")
    def _summaries_outlive_minutes(self) -> Self:
        if self.summary_retention_days < self.retention_days:
            raise ValueError("summary_retention_days must not be below retention_days")
        if self.part_retention_days > self.retention_days:
            raise ValueError("part_retention_days must not be above retention_days")
        return self


class PlacesSettings(Section):
    """Where clients are: by headers that trusted proxies set, else by a MaxMind database of countries or cities."""

    file: Path | None = None
    country_header: HeaderName | None = None
    region_header: HeaderName | None = None

    @model_validator(mode="after")
    def _region_needs_its_country(self) -> Self:
        if self.region_header is not None and self.country_header is None:
            raise ValueError("region_header needs country_header")
        return self


class TelegramSettings(Section):
    """The bot that brings tutoring links to students. Without a token, links are only written to the log."""

    bot_token: Annotated[SecretStr, Field(min_length=20)] | None = None
    base_url: HttpUrl = "https://api.telegram.org"


class SessionsSettings(Section):
    """Sessions of all kinds: how long they are kept (lessons are kept for good), how fast an address may call."""

    retention_days: Annotated[int, Field(ge=401, le=36_500)] = 730
    calls_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0
    calls_at_once: Annotated[int, Field(ge=10)] = 600


class ListeningSettings(Section):
    """Listening over HTTP."""

    guest_sessions_per_address: Annotated[int, Field(ge=1)] = 200
    """The same for a user."""
    guest_starts_per_minute: Annotated[int, Field(ge=1)] = 60


class TutoringSettings(Section):
    """Links to lessons. A meeting host stands for its subdomains too, `currency` for rates without a package."""

    meeting_hosts: tuple[Host, ...] = ("zoom.us", "meet.google.com", "teams.microsoft.com")
    link_seconds: Annotated[int, Field(ge=60, le=90 * 86_400)] = 86_400
    timeout_seconds: Annotated[float, Field(ge=300, le=86_400)] = 7_200.0
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    links_per_minute: Annotated[int, Field(ge=1)] = 30
    """Of a teacher."""
    student_links_per_minute: Annotated[int, Field(ge=1)] = 5
    """Of a teacher to one student."""


class StreamSettings(Section):
    """The provider of study calls; both key and secret, or neither. `call_type` is that of a call id without one."""

    api_key: Annotated[str, Field(min_length=1)] | None = None
    api_secret: Annotated[SecretStr, Field(min_length=16)] | None = None
    base_url: HttpUrl = "https://video.stream-io-api.com"
    call_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "default"

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.api_key is None) is not (self.api_secret is None):
            raise ValueError("set both api_key and api_secret, or neither")
        return self


class BackendSettings(HttpSettings):
    """The table `[backend]`. With `internal_host`, what only services of ours may call is served there alone."""

    port: Port = 8080
    internal_host: str | None = None
    internal_port: Port = 8081
    drain_seconds: Annotated[float, Field(ge=0, le=300)] = 0.0
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    mongo: MongoSettings = MongoSettings()
    places: PlacesSettings = PlacesSettings()
    viewers: ViewersSettings = ViewersSettings()
    engagement: EngagementSettings = EngagementSettings()
    sessions: SessionsSettings = SessionsSettings()
    listening: ListeningSettings = ListeningSettings()
    telegram: TelegramSettings = TelegramSettings()
    tutoring: TutoringSettings = TutoringSettings()
    stream: StreamSettings = StreamSettings()

    @model_validator(mode="after")
    def _headers_come_from_somebody(self) -> Self:
        if self.places.country_header is not None and not self.trusted_proxies:
            raise ValueError("places.country_header is believed from trusted_proxies alone: set them too")
        return self


class SocketPeer(BaseModel):
    """Where presence's sockets are, beneath its URL."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str = "/socket.io/"


class PresencePeer(Peer):
    """What pages must know to reach presence."""

    public_url: HttpUrl = "http://127.0.0.1:8090"
    socket: SocketPeer = SocketPeer()


class Root(Section):
    """The whole configuration as the backend reads it."""

    backend: BackendSettings = BackendSettings()
    presence: PresencePeer = PresencePeer()
    internal: InternalSettings
    auth: AuthSettings
