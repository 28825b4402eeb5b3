"""The token in a tutoring link: which lesson it opens and until when. Pure; nothing of it is ever stored.

`base64url(expiry as 5 bytes, link id, HMAC-SHA256(secret, expiry, link id))`, without padding. Both programs check it
without looking anything up. The secret is derived from the internal signing keys, so that rotating those rotates it.
"""

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import NamedTuple

from backend_api.contract.signing import SigningKey

MAX_TOKEN_LENGTH = 256

_CONTEXT = b"presence tutoring link v1"
_EXPIRY_BYTES = 5
_MAC_BYTES = hashlib.sha256().digest_size


class LinkClaim(NamedTuple):
    """What a genuine token says. It may have expired: a lesson that runs may still beat and end."""

    link_id: str
    expires_at: int

    def is_expired(self, now: float) -> bool:
        return now >= self.expires_at


def link_secrets(keys: Iterable[SigningKey]) -> tuple[bytes, ...]:
    """One secret for each signing key, in their order; the first one signs."""
    return tuple(hmac.new(key.secret, _CONTEXT, hashlib.sha256).digest() for key in keys)


def link_token(secret: bytes, link_id: str, expires_at: int) -> str:
    """The token of a link until `expires_at` (Unix seconds); the same whenever it is made again."""
    claim = expires_at.to_bytes(_EXPIRY_BYTES) + link_id.encode()
    return urlsafe_b64encode(claim + _mac(secret, claim)).rstrip(b"=").decode()


def read_link_token(secrets: Iterable[bytes], token: str) -> LinkClaim | None:
    """What a token says if one of the secrets signed it, else None; whatever it holds, it raises nothing."""
    raw = _decoded(token)
    claim, given = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if len(claim) <= _EXPIRY_BYTES or not any(hmac.compare_digest(_mac(secret, claim), given) for secret in secrets):
        return None
    return LinkClaim(claim[_EXPIRY_BYTES:].decode(), int.from_bytes(claim[:_EXPIRY_BYTES]))


def _decoded(token: str) -> bytes:
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        return b""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return b""
    # Base64 has several spellings of one value; only the one we write is taken.
    return raw if urlsafe_b64encode(raw).rstrip(b"=").decode() == token else b""


def _mac(secret: bytes, claim: bytes) -> bytes:
    return hmac.new(secret, claim, hashlib.sha256).digest()
