"""What a batch must pass before it is stored, one event at a time: named steps, typed reasons. Pure.

`read` turns what was sent into an event or a reason; `admit` takes the events through CHECKS and stamps them with
their time, their person and the digest by which a repetition is told from a contradiction.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import ValidationError

from backend_api.contract.events import EVENT, SKIPPED_BELOW_SECONDS, AnyEvent, Like, Play, PlayEnd, Reason, Rejected

FUTURE_SECONDS = 300
"""How far ahead of ours a corrected device clock may be."""

SKEW_SECONDS = 60
"""How wrong a device's clock must seem to be to be set right."""

Uncounted = Literal["bot", "guest"]
"""Why an event is kept but in no figure: a crawler sent it, or it is a guest's like where those do not count."""


class Sender(NamedTuple):
    """Who sent a batch. Without consent nothing is kept that outlives the session."""

    user_id: str | None
    is_trusted: bool
    has_consent: bool
    is_bot: bool


class Conditions(NamedTuple):
    """What the events of one batch are held against: times in Unix seconds, the tracks there are with their lengths."""

    received_at: float
    sent_at: float | None
    oldest_at: float
    known_tracks: Mapping[str, float]
    guest_likes_count: bool


class Event(NamedTuple):
    """An event that may be stored. `at` is its time by our clock, whole milliseconds in Unix seconds.

    `track_seconds` is how long its track is: as the catalogue says, else as the page does, else 0.
    """

    id: str
    sent: AnyEvent
    at: float
    person: str
    digest: bytes
    uncounted: Uncounted | None
    track_seconds: float


class Admitted(NamedTuple):
    """The events of a batch by their index, and why the others are not among them."""

    events: Mapping[int, Event]
    rejected: Sequence[Rejected]


def read(item: object) -> AnyEvent | Reason:
    """One item of a batch as an event."""
    try:
        return EVENT.validate_python(item)
    except ValidationError as error:
        return "unknown_type" if error.errors(include_url=False)[0]["type"] == "union_tag_invalid" else "bad_field"


def admit(items: Mapping[int, AnyEvent | Reason], sender: Sender, conditions: Conditions) -> Admitted:
    """Every item either stamped or rejected with the reason of the first check that it fails."""
    events: dict[int, Event] = {}
    rejected: list[Rejected] = []
    for index, item in items.items():
        reason = item if isinstance(item, str) else _first_reason(item, conditions)
        if reason is not None:
            rejected.append(Rejected(index=index, reason=reason))
        elif not isinstance(item, str):
            events[index] = _stamped(item, sender, conditions)
    return Admitted(events, rejected)


def true_time(sent: AnyEvent, conditions: Conditions) -> float:
    """When it happened by our clock: as long before the arrival as the device says, whatever its clock shows.

    received - (sent - created), as Snowplow's derived timestamp. Without the moment of sending the device is believed,
    and where the difference is small: it is rather the time of the way here, which is another one for each batch.
    What seems to have been made after it was sent was made before the device's clock was set back: it is as of then.
    """
    created_at, sent_at = sent.timestamp.timestamp(), conditions.sent_at
    if sent_at is not None:
        created_at = min(created_at, sent_at)
        if abs(conditions.received_at - sent_at) > SKEW_SECONDS:
            created_at = conditions.received_at - (sent_at - created_at)
    return round(created_at, 3)


def completion_of(duration: float, track_duration: float | None) -> float | None:
    """How much of the track was heard, in per cent, at most 100; None where its length is unknown."""
    return round(min(100.0, 100 * duration / track_duration), 2) if track_duration else None


def is_skipped(duration: float) -> bool:
    return duration < SKIPPED_BELOW_SECONDS


def _is_known_track(sent: AnyEvent, conditions: Conditions) -> Reason | None:
    return None if sent.track_id in conditions.known_tracks else "unknown_track"


def _is_not_too_old(sent: AnyEvent, conditions: Conditions) -> Reason | None:
    return "too_old" if true_time(sent, conditions) < conditions.oldest_at else None


def _is_not_in_future(sent: AnyEvent, conditions: Conditions) -> Reason | None:
    return "in_future" if true_time(sent, conditions) > conditions.received_at + FUTURE_SECONDS else None


Check = Callable[[AnyEvent, Conditions], Reason | None]
CHECKS: Sequence[Check] = (_is_known_track, _is_not_too_old, _is_not_in_future)


def _first_reason(sent: AnyEvent, conditions: Conditions) -> Reason | None:
    return next((reason for check in CHECKS if (reason := check(sent, conditions)) is not None), None)


def _stamped(sent: AnyEvent, sender: Sender, conditions: Conditions) -> Event:
    return Event(
        sent.event_id or _derived_id(sent),
        sent,
        true_time(sent, conditions),
        _person(sent, sender),
        _digest(sent),
        _uncounted(sent, sender, conditions),
        conditions.known_tracks[sent.track_id] or getattr(sent, "track_duration", None) or 0.0,
    )


def _person(sent: AnyEvent, sender: Sender) -> str:
    """Whom to count once: the user, else the device, else the visit."""
    if sender.user_id is not None:
        return f"u:{sender.user_id}"
    if sender.has_consent and sent.anonymous_id is not None:
        return f"a:{sent.anonymous_id}"
    return f"s:{sent.session_id}"


def _uncounted(sent: AnyEvent, sender: Sender, conditions: Conditions) -> Uncounted | None:
    if sender.is_bot:
        return "bot"
    is_guest = sender.user_id is None and not sender.is_trusted
    return "guest" if isinstance(sent, Like) and is_guest and not conditions.guest_likes_count else None


def _derived_id(sent: AnyEvent) -> str:
    """The same for the same event, however often it is sent without an id."""
    action, platform = getattr(sent, "action", ""), getattr(sent, "platform", "")
    play_id = sent.play_id if isinstance(sent, Play | PlayEnd) else None
    moment = sent.timestamp.timestamp()
    parts = [sent.session_id, sent.type, sent.track_id, moment, action, platform, play_id or ""]
    return "d:" + blake2b(orjson.dumps(parts), digest_size=16).hexdigest()


def _digest(sent: AnyEvent) -> bytes:
    """Of what happened, not of the device: that is not kept of who does not consent, nor can be told by this."""
    content: dict[str, Any] = sent.model_dump(exclude={"event_id", "anonymous_id"}, exclude_none=True)
    content["timestamp"] = sent.timestamp.timestamp()
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
