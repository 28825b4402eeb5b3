"""Who a request comes from: a service of ours by plain key or signature, a user by token, or nobody.

A credential that is missing makes the caller Nobody; one that is wrong is always Unauthorized, never less. What a
caller may do is in `access`.
"""

import hmac
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from backend_api.contract.signing import (
    ALL_SCOPES,
    PLAIN_KEY_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    claimed_key,
    verify,
)
from backend_api.service.access import Caller, Internal, Nobody, Signed, User
from backend_api.service.errors import Unauthorized
from backend_api.service.jwks import KeySource
from backend_api.service.settings import AuthSettings, InternalSettings
from backend_api.service.tokens import Claims, decode

PLAIN_KEY_ID = "plain"

_WRONG_SIGNATURE = "The signature is not valid."

ReadBody = Callable[[], Awaitable[bytes]]


class Identify:
    """Turns a request into a Caller. The body is read only where a signature covers it."""

    def __init__(
        self,
        internal: InternalSettings,
        auth: AuthSettings,
        keys: KeySource,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._signing_keys = internal.keys()
        plain = internal.api_key if internal.accept_plain_key else None
        self._plain_key = None if plain is None else plain.get_secret_value().encode()
        self._auth = auth
        self._keys = keys
        self._now = now

    async def __call__(self, request: web.BaseRequest, read_body: ReadBody) -> Caller:
        headers = request.headers
        sent = [name for name in (SIGNATURE_HEADER, PLAIN_KEY_HEADER, "Authorization") if name in headers]
        if not sent:
            return Nobody()
        if len(sent) > 1 or len(headers.getall(sent[0])) > 1:
            raise Unauthorized("Send one credential, not several.")
        if sent == [SIGNATURE_HEADER]:
            # Strangers, and whoever only knows a key's name, are refused before their body is read.
            if claimed_key(self._signing_keys, headers, self._now()) is None:
                raise Unauthorized(_WRONG_SIGNATURE)
            return self._by_signature(request, await read_body())
        if sent == [PLAIN_KEY_HEADER]:
            return self._by_plain_key(headers[PLAIN_KEY_HEADER])
        return await self._by_bearer(headers["Authorization"])

    async def user(self, token: str) -> Claims:
        """The claims of a user's token, wherever it was sent; Unauthorized if it is not valid."""
        return decode(token, await self._keys.keys_for(token), self._auth, self._now())

    def _by_signature(self, request: web.BaseRequest, body: bytes) -> Internal:
        headers = request.headers
        key = verify(
            self._signing_keys,
            headers,
            method=request.method,
            target=request.raw_path,
            body=body,
            now=self._now(),
        )
        if key is None:
            raise Unauthorized(_WRONG_SIGNATURE)
        return Internal(key.id, key.scopes, Signed(int(headers[TIMESTAMP_HEADER]), headers[SIGNATURE_HEADER]))

    def _by_plain_key(self, given: str) -> Internal:
        if not self._is_plain_key(given):
            raise Unauthorized("The key is not valid.")
        return Internal(PLAIN_KEY_ID, ALL_SCOPES)

    async def _by_bearer(self, header: str) -> Caller:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("Only Bearer credentials are taken.")
        token = token.strip()
        if self._is_plain_key(token):
            return Internal(PLAIN_KEY_ID, ALL_SCOPES)
        return User(await self.user(token))

    def _is_plain_key(self, given: str) -> bool:
        # Bytes: compare_digest refuses text that is not ASCII, and headers may hold any.
        return self._plain_key is not None and hmac.compare_digest(
            self._plain_key, given.encode("utf-8", "surrogateescape")
        )
