"""Are they Stream's, and what do they say."""

import gzip
import hashlib
import hmac
import json

import pytest

from backend_api.service.errors import AppError, BadRequest, TooLarge, Unauthorized, Unprocessable
from backend_api.study.calls import Joined, Left
from backend_api.study.webhook import Headers, Keys, facts_of, inflated, read_event, verified

KEYS = Keys("key1", b"the secret of the tests")
NOW = 1_795_257_000.0
CREATED = "2026-11-21T10:29:00Z"


def signature(body):
    return hmac.new(KEYS.secret, body, hashlib.sha256).hexdigest()


def headers(body, **changes):
    return Headers(**{"api_key": "key1", "signature": signature(body), "webhook_id": "w1", "encoding": ""} | changes)


def event(type_, **fields):
    return read_event(
        json.dumps({"type": type_, "call_cid": "default:c1", "created_at": CREATED} | fields).encode(), NOW
    )


def test_a_signed_body_is_taken_plain_and_compressed():
    """The signature covers what comes out of gzip."""
    body = b'{"type":"x"}'
    assert verified(body, headers(body), KEYS) == body
    assert verified(gzip.compress(body, mtime=0), headers(body, encoding="gzip"), KEYS) == body


@pytest.mark.parametrize(
    "changes",
    [{"signature": ""}, {"signature": "0" * 64}, {"signature": "é\udcff"}, {"api_key": ""}, {"api_key": "key2"}],
)
def test_a_forged_webhook_is_refused(changes):
    """A wrong or missing signature or key, whatever bytes it is made of."""
    with pytest.raises(Unauthorized):
        verified(b"{}", headers(b"{}", **changes), KEYS)


def test_without_keys_nothing_is_taken():
    """No provider, no webhooks."""
    with pytest.raises(Unauthorized):
        verified(b"{}", headers(b"{}"), None)


def test_a_bomb_is_not_inflated():
    """A gigabyte of zeros is cut off at the cap, before its signature is looked at."""
    with pytest.raises(TooLarge):
        inflated(gzip.compress(bytes(50_000_000), mtime=0))


WHOLE = gzip.compress(b"x", mtime=0)


@pytest.mark.parametrize("body", [b"", b"not gzip", WHOLE[:-4], WHOLE + b"y"])
def test_broken_gzip_is_refused(body):
    """One whole stream and nothing behind it."""
    with pytest.raises(BadRequest):
        inflated(body)


@pytest.mark.parametrize(
    "created", ["2026-11-14T10:00:00Z", "2026-11-21T10:36:00Z", "yesterday", None, "2026-11-21T10:29:00"]
)
def test_an_event_of_another_time_is_refused(created):
    """Older than seven days, or from the future, or of no time at all."""
    with pytest.raises(Unprocessable):
        event("call.ended", created_at=created)


def test_what_a_participants_events_say():
    """`left` tells of its join too, and the provider's seconds."""
    who = {"user": {"id": "ann", "name": "Ann"}, "user_session_id": "s1", "joined_at": "2026-11-21T10:20:00Z"}
    joined = facts_of(event("call.session_participant_joined", participant=who))
    left = facts_of(event("call.session_participant_left", participant=who, duration_seconds=539.6))
    start = NOW - 600
    assert joined.joined == left.joined == {Joined("s1", "ann", start)}
    assert left.left == {Left("s1", "ann", NOW - 60, 540)}


@pytest.mark.parametrize(("alias", "real"), [
    ("call.started", "call.session_started"), ("call.member_joined", "call.session_participant_joined"),
    ("call.member_left", "call.session_participant_left"),
])  # fmt: skip
def test_older_names_mean_the_same(alias, real):
    """They are taken as aliases."""
    who = {"user": {"id": "ann"}}
    assert facts_of(event(alias, participant=who)) == facts_of(event(real, participant=who))
    assert facts_of(event(alias, user="ann")) == facts_of(event(real, participant=who))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"type":1}', b"[" * 100_000, b'{"type":"x","participant":[]}']
)
def test_what_is_no_event_is_refused(body):
    """Never anything but a refusal."""
    with pytest.raises(AppError):
        read_event(body, NOW)


def test_unknown_types_say_nothing():
    """Stream sends more than we heed."""
    assert facts_of(event("call.reaction_new", user={"id": "ann"})).users == frozenset()
