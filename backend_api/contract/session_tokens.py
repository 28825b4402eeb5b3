"""The session token: kind, id, start, subject and target, signed, so that any node resumes it without a look-up.

`base64url(JSON array) "." base64url(HMAC-SHA256)`. Whoever shows one may beat, end or resume that session, no more.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple, get_args

from backend_api.contract.sessions import SessionKind
from backend_api.contract.signing import SigningKey

MAX_TOKEN_LENGTH = 1_500
_PURPOSE = b"presence session token v1"
_KINDS = get_args(SessionKind)


class SessionClaims(NamedTuple):
    """What a token says.

    `subject` is `u:<user>`, `g:<listener>` or empty; `target` is what the session is about: channel, stream and show
    (empty where there is none), or a call, or a link.
    """

    kind: SessionKind
    session_id: str
    started_at: float
    subject: str
    target: tuple[str, ...]

    @property
    def user_id(self) -> str | None:
        return self.subject[2:] if self.subject.startswith("u:") else None

    @property
    def listener_id(self) -> str | None:
        return self.subject[2:] if self.subject.startswith("g:") else None


def token_secrets(keys: Iterable[SigningKey]) -> list[bytes]:
    """The secrets that both programs derive from the keys they share; the first signs, each of them verifies."""
    return [hmac.new(key.secret, _PURPOSE, hashlib.sha256).digest() for key in keys]


def issue(secret: bytes, claims: SessionClaims) -> str:
    fields = [*claims[:2], round(claims.started_at * 1000), claims.subject, *claims.target]
    payload = _encode(json.dumps(fields, separators=(",", ":")).encode())
    return f"{payload}.{_encode(_mac(secret, payload))}"


def check(secrets: Sequence[bytes], token: str) -> SessionClaims | None:
    """The claims of a token that one of the secrets signed, else None."""
    payload, dot, signature = token.partition(".")
    if not dot or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        return None
    if not any(hmac.compare_digest(_encode(_mac(secret, payload)), signature) for secret in secrets):
        return None
    return _read(payload)


def _read(payload: str) -> SessionClaims | None:
    try:
        kind, session_id, start_ms, subject, *target = json.loads(base64.urlsafe_b64decode(payload + "=="))
    except (ValueError, binascii.Error):
        return None
    return SessionClaims(kind, session_id, start_ms / 1000, subject, tuple(target)) if kind in _KINDS else None


def _mac(secret: bytes, payload: str) -> bytes:
    return hmac.new(secret, payload.encode(), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
