"""The kinds of values that settings have: what is a strong key, a URL, an origin, a network. Pure."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, StringConstraints

MIN_KEY_LENGTH = 32

_SAMPLE = re.compile(r"change.?me|sample|example|placeholder|your.?(key|secret|token)|12345678", re.IGNORECASE)


def _strong(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < MIN_KEY_LENGTH:
        raise ValueError(f"too short: {MIN_KEY_LENGTH} characters at least")
    if len(set(text)) < 8 or _SAMPLE.search(text):
        raise ValueError("this looks like a sample; make one with: openssl rand -hex 32")
    return secret


def is_loopback(host: str) -> bool:
    """Whether a host's name or address can only be this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_http(parts: SplitResult) -> bool:
    """Also ValueError, where the port is none."""
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if not _is_http(parts) or parts.query or parts.fragment:
        raise ValueError("must be an http or https URL without user, query or fragment")
    return text.rstrip("/")


def _origin(text: str) -> str:
    if text != "*" and urlsplit(_http_url(text)).path:
        raise ValueError("must be an origin: scheme, host and port only, or *")
    return text.rstrip("/").lower()


def _safe_to_trust(url: str) -> str:
    parts = urlsplit(url)
    if not _is_http(parts):
        raise ValueError("must be an https URL")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must be https: keys that decide who is who do not travel in the clear")
    return url


def _network(value: object) -> IPv4Network | IPv6Network:
    # A number would be an address too: 5 is 0.0.0.5.
    if not isinstance(value, str | IPv4Network | IPv6Network):
        raise ValueError("must be a network, such as 10.0.0.0/8")
    return ip_network(value)


FetchUrl = Annotated[str, AfterValidator(_safe_to_trust)]
Secret = Annotated[SecretStr, AfterValidator(_strong)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Origin = Annotated[str, AfterValidator(_origin)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Port = Annotated[int, Field(ge=0, le=65_535)]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
LogLevel = Literal["debug", "info", "warning", "error"]
