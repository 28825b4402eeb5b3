"""Stream's webhooks: are they Stream's, and what do they say. Pure.

`X-SIGNATURE` is hex HMAC-SHA256(API secret, body as it is before compression), `X-API-KEY` names the key. Nothing of
the request but the body is signed, hence the dedupe by content. https://getstream.io/video/docs/api/webhooks/overview/
"""

import hashlib
import hmac
import zlib
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints, ValidationError

from backend_api.contract.wire import Lenient
from backend_api.service.errors import BadRequest, TooLarge, Unauthorized, Unprocessable, Unsupported
from backend_api.study.calls import UNNAMED, Facts, Joined, Left

MAX_BODY_BYTES = 256 * 1024
MAX_INFLATED_BYTES = 1024 * 1024
MAX_AGE_SECONDS = 7 * 86_400.0
MAX_AHEAD_SECONDS = 300.0

_SESSION_STARTED = {"call.session_started", "call.started"}
_SESSION_ENDED = {"call.session_ended", "call.ended"}
_JOINED = {"call.session_participant_joined", "call.member_joined"}
_LEFT = {"call.session_participant_left", "call.member_left"}
_HEEDED = _SESSION_STARTED | _SESSION_ENDED | _JOINED | _LEFT

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _User(Lenient):
    id: Text


def _as_id(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


class _Participant(Lenient):
    user: Annotated[_User | None, BeforeValidator(_as_id)] = None
    user_id: Annotated[Text | None, Field(alias="user_id")] = None
    user_session_id: Annotated[Text | None, Field(alias="user_session_id")] = None
    joined_at: Annotated[AwareDatetime | None, Field(alias="joined_at")] = None


class _CallSession(Lenient):
    id: Text


class _Call(Lenient):
    session: _CallSession | None = None


class _Typed(Lenient):
    type: Text


class Event(_Typed):
    """What is read of a webhook; all else is ignored."""

    call: _Call | None = None
    session_id: Annotated[Text | None, Field(alias="session_id")] = None
    call_cid: Annotated[Text | None, Field(alias="call_cid")] = None
    created_at: Annotated[AwareDatetime, Field(alias="created_at")]
    participant: _Participant | None = None
    member: _Participant | None = None
    user: Annotated[_User | None, BeforeValidator(_as_id)] = None
    duration_seconds: Annotated[float | None, Field(alias="duration_seconds", ge=0, le=30 * 86_400)] = None

    @property
    def session(self) -> str:
        """Which session of the call it is about; the day, where it does not say: a call may be held again for ever."""
        of_call = self.call.session.id if self.call is not None and self.call.session is not None else None
        return self.session_id or of_call or f"{UNNAMED}{self.created_at.astimezone(UTC):%Y-%m-%d}"


class Keys(NamedTuple):
    """The API key by which Stream names itself, and the secret it signs with."""

    api_key: str
    secret: bytes


def verified(body: bytes, headers: "Headers", keys: Keys | None) -> bytes:
    """The uncompressed body of a genuine webhook. Unauthorized for any other, TooLarge for what inflates too far."""
    if keys is None or not hmac.compare_digest(headers.api_key.encode(), keys.api_key.encode()):
        raise Unauthorized("The key is not known.")
    plain = inflated(body) if headers.encoding == "gzip" else body
    if headers.encoding not in ("", "identity", "gzip"):
        raise Unsupported("Only gzip is inflated.")
    wanted = hmac.new(keys.secret, plain, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), headers.signature.encode("utf-8", "surrogateescape")):
        raise Unauthorized("The signature is not valid.")
    return plain


class Headers(NamedTuple):
    """The headers that matter; what was not sent is empty."""

    api_key: str
    signature: str
    webhook_id: str
    encoding: str


def inflated(body: bytes) -> bytes:
    """A whole gzip stream, at most a megabyte of content; memory never holds more."""
    engine = zlib.decompressobj(wbits=31)
    try:
        plain = engine.decompress(body, MAX_INFLATED_BYTES + 1)
    except zlib.error:
        raise BadRequest("The body is not gzip.") from None
    if len(plain) > MAX_INFLATED_BYTES or engine.unconsumed_tail:
        raise TooLarge("The body inflates to more than is taken.")
    if not engine.eof or engine.unused_data:
        raise BadRequest("The body is not one whole gzip stream.")
    return plain


def content_hash(plain: bytes) -> str:
    return hashlib.sha256(plain).hexdigest()


def is_heeded(plain: bytes) -> bool:
    """Whether an event is of a type that we read further. Unprocessable for what has no type."""
    try:
        return _Typed.model_validate_json(plain).type in _HEEDED
    except ValidationError:
        raise Unprocessable("This is not an event.") from None


def read_event(plain: bytes, now: float | None) -> Event:
    """Unprocessable for what is no event, or (where `now` is given) one from another time."""
    try:
        event = Event.model_validate_json(plain)
    except ValidationError:
        raise Unprocessable("This is not an event.") from None
    age = 0.0 if now is None else now - event.created_at.timestamp()
    if not -MAX_AHEAD_SECONDS <= age <= MAX_AGE_SECONDS:
        raise Unprocessable("The event is too old, or from the future.")
    return event


def facts_of(event: Event) -> Facts:
    """What an event says about its call; nothing where we do not heed its type or it names nobody."""
    at = event.created_at.timestamp()
    if event.type in _SESSION_STARTED:
        return Facts(opened=frozenset({at}))
    if event.type in _SESSION_ENDED:
        return Facts(closed=frozenset({at}))
    who = event.participant or event.member or _Participant(user=event.user)
    user_id = who.user.id if who.user is not None else who.user_id or (event.user.id if event.user else None)
    if event.type not in _JOINED | _LEFT or user_id is None:
        return Facts()
    key = who.user_session_id or f"u:{user_id}"
    joined = _moment(who.joined_at) or (at if event.type in _JOINED else None)
    seconds = None if event.duration_seconds is None else round(event.duration_seconds)
    return Facts(
        joined=frozenset() if joined is None else frozenset({Joined(key, user_id, joined)}),
        left=frozenset({Left(key, user_id, at, seconds)}) if event.type in _LEFT else frozenset(),
    )


def _moment(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
