"""Which other origins may call from a browser, and what they are told (the Fetch standard's CORS). Pure."""

from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Request-Id"
EXPOSED_HEADERS = "Content-Disposition, Retry-After, X-Request-Id"
PREFLIGHT_SECONDS = 600


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as a browser would send them in Origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_foreign(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether a request's Origin is neither absent, nor this host itself, nor on the list."""
    if origin is None or "*" in allowed or origin.lower() in allowed:
        return False
    return host is None or origin.lower().partition("://")[2] != host.lower()


def cors_headers(origin: str | None, allowed: Collection[str]) -> Mapping[str, str]:
    """What every answer says to a browser of an allowed origin. No credentials: there are no cookies to share."""
    if origin is None or is_foreign(origin, None, allowed):
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": "*" if "*" in allowed else origin,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
    }


def preflight_headers(methods: Iterable[str]) -> Mapping[str, str]:
    """What a preflight is told on top of that."""
    return {
        "Access-Control-Allow-Methods": ", ".join(sorted(methods)),
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
