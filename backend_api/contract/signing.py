"""How an internal request is signed and checked: HMAC-SHA256 over what was sent. Knows no HTTP framework and no clock.

The signed text is `v1`, key id, request id, timestamp, method, raw request target and the hex SHA-256 of the raw body,
joined by newlines.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

KEY_ID_HEADER = "X-Internal-Key-Id"
ID_HEADER = "X-Internal-Id"
TIMESTAMP_HEADER = "X-Internal-Timestamp"
SIGNATURE_HEADER = "X-Internal-Signature"
PLAIN_KEY_HEADER = "X-Internal-Request"

WINDOW_SECONDS = 300
"""How far a signature's timestamp may be from the receiver's clock, either way."""

_VERSION = "v1"
_signature = re.compile(_VERSION + "=[0-9a-f]{64}")


class SigningKey(NamedTuple):
    """One shared secret and what it may be used for; several at once allow rotation."""

    id: str
    secret: bytes
    scopes: frozenset[str]


def sign(key: SigningKey, *, request_id: str, timestamp: int, method: str, target: str, body: bytes) -> dict[str, str]:
    """The four headers of a signed request; `target` is path and query exactly as they are sent."""
    return {
        KEY_ID_HEADER: key.id,
        ID_HEADER: request_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: f"{_VERSION}={_digest(key, request_id, str(timestamp), method, target, body)}",
    }


def verify(
    keys: Mapping[str, SigningKey], headers: Mapping[str, str], *, method: str, target: str, body: bytes, now: float
) -> SigningKey | None:
    """The key that signed this request, or None when the signature is missing, wrong, altered or out of its window."""
    key = claimed_key(keys, headers, now)
    if key is None:
        return None
    digest = _digest(key, headers[ID_HEADER], headers[TIMESTAMP_HEADER], method, target, body)
    return key if hmac.compare_digest(f"{_VERSION}={digest}", headers[SIGNATURE_HEADER]) else None


def claimed_key(keys: Mapping[str, SigningKey], headers: Mapping[str, str], now: float) -> SigningKey | None:
    """The key that a request says it is signed with, before its body is known; None where the headers rule it out."""
    is_formed = headers.get(ID_HEADER) and _signature.fullmatch(headers.get(SIGNATURE_HEADER, ""))
    if not is_formed or not _is_current(headers.get(TIMESTAMP_HEADER, ""), now):
        return None
    return keys.get(headers.get(KEY_ID_HEADER, ""))


def derive_key(api_key: str) -> SigningKey:
    """The signing key of an installation that was only given one API key; it has every scope."""
    secret = hmac.new(api_key.encode(), b"presence internal signing key v1", hashlib.sha256).digest()
    return SigningKey("api-key", secret, ALL_SCOPES)


ALL_SCOPES = frozenset({"snapshots", "sessions", "read", "admin"})


def _is_current(stamp: str, now: float) -> bool:
    return stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 and abs(now - int(stamp)) <= WINDOW_SECONDS


def _digest(key: SigningKey, request_id: str, stamp: str, method: str, target: str, body: bytes) -> str:
    lines = (_VERSION, key.id, request_id, stamp, method, target, hashlib.sha256(body).hexdigest())
    return hmac.new(key.secret, "\n".join(lines).encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
