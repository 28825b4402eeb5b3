"""The keys that users' tokens are checked with: a shared secret, or what a JWKS URL serves. Decides about no token."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
import structlog
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey
from pydantic import BaseModel

from backend_api.service.errors import ConfigError, Unavailable
from backend_api.service.fetching import whole_body
from backend_api.service.settings import AuthSettings
from backend_api.service.tokens import Keys, key_id_of

log = structlog.get_logger(__name__)

FETCH_TIMEOUT_SECONDS = 5.0
MAX_DOCUMENT_BYTES = 256 * 1024
FRESH_SECONDS = 600.0
"""How long fetched keys are used before they are fetched again; a key that was withdrawn lives on for so long."""
RETRY_SECONDS = 10.0
"""At most one fetch in this time: tokens with invented key ids must not become a flood on the issuer."""


_KINDS: Mapping[str, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}


class _Document(BaseModel):
    keys: list[dict[str, object]]


class KeySource:
    """Gives the keys to check a token with. Enter it before use; it holds an HTTP session where keys are fetched."""

    def __init__(self, settings: AuthSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = settings.jwks_url
        self._static = None if settings.secret is None else _shared_key(settings.secret.get_secret_value())
        self._monotonic = monotonic
        self._fetched: KeySet | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        if self._url is not None:
            timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    def cached(self, token: str) -> Keys | None:
        """The keys that decide about this token, where that is known without asking anybody."""
        if self._static is not None:
            return self._static
        now = self._monotonic()
        if self._fetched is None or now - self._fetched_at > FRESH_SECONDS:
            return None
        known = key_id_of(token) in {None, *(key.kid for key in self._fetched)}
        return self._fetched if known or now - self._tried_at < RETRY_SECONDS else None

    async def keys_for(self, token: str) -> Keys:
        """The same, fetched where need be. Unavailable when there are none and the issuer does not answer."""
        async with self._one_at_a_time:
            if (keys := self.cached(token)) is not None:
                return keys
            if self._monotonic() - self._tried_at >= RETRY_SECONDS:
                self._tried_at = self._monotonic()
                await self._refresh()
        if self._fetched is None:
            raise Unavailable("The issuer of tokens does not answer.", retry_after_seconds=int(RETRY_SECONDS))
        return self._fetched

    async def _refresh(self) -> None:
        """Replaces the keys; where the issuer does not answer well, those that are known stay in use."""
        try:
            self._fetched = _read_keys(await self._fetch())
            self._fetched_at = self._monotonic()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("jwks_not_fetched", url=self._url, error=str(error) or type(error).__name__)

    async def _fetch(self) -> bytes:
        if self._session is None or self._url is None:
            raise RuntimeError("KeySource is used before it is entered")
        async with self._session.get(self._url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            return await whole_body(answer, MAX_DOCUMENT_BYTES)


def _shared_key(secret: str) -> OctKey:
    try:
        return OctKey.import_key(secret)
    except ValueError:
        raise ConfigError("auth.secret: this is a key pair's public part, not a shared secret") from None


def _read_keys(document: bytes) -> KeySet:
    """The RSA and EC keys of a JWKS that are meant for signatures, never a symmetric one. ValueError if none."""
    usable: list[Key] = []
    for entry in _Document.model_validate_json(document).keys:
        kind = _KINDS.get(str(entry.get("kty")))
        if kind is not None and entry.get("use", "sig") == "sig":
            with suppress(Exception):  # one key that cannot be read must not take the others away
                usable.append(kind.import_key(cast(Any, entry)))
    if not usable:
        raise ValueError("no usable key in it")
    return KeySet(usable)
