"""Who a connecting client is: a user by token, a guest by the id it sent, or just this socket. Opens no door itself."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from backend_api.service.errors import Unauthorized, Unavailable
from backend_api.service.jwks import KeySource
from backend_api.service.origins import origin_of
from backend_api.service.settings import AuthSettings
from backend_api.service.tokens import Claims, Keys, decode
from backend_api.service.values import is_loopback
from presence_server.errors import ConnectionRefused

MAX_GUEST_ID = 64


class Person(NamedTuple):
    """Who a socket stands for in counts, and what they may do; guests have no claims."""

    viewer_id: str
    claims: Claims | None


class Gate:
    """Decides about the `auth` of a handshake, at once wherever the token's key is known."""

    def __init__(self, keys: KeySource, settings: AuthSettings, now: Callable[[], float]) -> None:
        self._keys = keys
        self._settings = settings
        self._now = now

    def admit(self, auth: object, connection: str) -> Person | Coroutine[Any, Any, Person]:
        """The person, or what to await where the token's key has to be fetched first. Raises ConnectionRefused."""
        token, guest_id = _read(auth)
        if token is None:
            return Person(f"g:{guest_id}" if guest_id else f"s:{connection}", None)
        keys = self._keys.cached(token)
        return self._admit_later(token) if keys is None else self._user(token, keys)

    async def _admit_later(self, token: str) -> Person:
        try:
            return self._user(token, await self._keys.keys_for(token))
        except Unavailable as error:
            raise ConnectionRefused("unavailable", error.detail) from None

    def _user(self, token: str, keys: Keys) -> Person:
        try:
            claims = decode(token, keys, self._settings, self._now())
        except Unauthorized as error:
            raise ConnectionRefused("unauthorized", error.detail) from None
        return Person(f"u:{claims.sub}", claims)


def connecting_origins(listed: Collection[str], *urls: str) -> frozenset[str]:
    """The origins whose pages may connect: those listed and those of our own programs' URLs.

    On this machine `localhost` and `127.0.0.1` are one program, whichever a link names.
    """
    origins = {origin.lower() for origin in listed} | {origin_of(url) for url in urls}
    for url in urls:
        host = urlsplit(url).hostname or ""
        if is_loopback(host):
            origins |= {origin_of(url.replace(host, name, 1)) for name in ("localhost", "127.0.0.1")}
    return frozenset(origins)


def _read(auth: object) -> tuple[str | None, str | None]:
    """The token, if one was sent, and the guest's id, if it is one."""
    if auth is None:
        return None, None
    if not isinstance(auth, dict):
        raise ConnectionRefused("bad_request", "auth must be an object.")
    token, guest_id = auth.get("token"), auth.get("viewerId")
    if token is not None and not isinstance(token, str):
        raise ConnectionRefused("unauthorized", "The token is not valid.")
    is_id = isinstance(guest_id, str) and 1 <= len(guest_id) <= MAX_GUEST_ID
    return token, guest_id if is_id else None
