"""Signatures of internal requests."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract import signing

KEY = signing.SigningKey("k1", b"s" * 32, frozenset({"snapshots"}))
OTHER = signing.SigningKey("k2", b"t" * 32, frozenset({"read"}))
KEYS = {key.id: key for key in (KEY, OTHER)}
NOW = 1_800_000_000.0
REQUEST = {"method": "POST", "target": "/internal/v1/snapshots?a=%20b", "body": b'{"snapshots":[]}'}


def _signed(key=KEY, timestamp=int(NOW)):
    return signing.sign(key, request_id="r-1", timestamp=timestamp, **REQUEST)


def _verified(headers, now=NOW, **changes):
    return signing.verify(KEYS, headers, **{**REQUEST, **changes}, now=now)


def test_the_signature_is_the_one_the_contract_describes():
    """v1= and the hex HMAC-SHA256 over seven lines, so that any language can compute it."""
    digest = hashlib.sha256(REQUEST["body"]).hexdigest()
    text = f"v1\nk1\nr-1\n{int(NOW)}\nPOST\n/internal/v1/snapshots?a=%20b\n{digest}"
    wanted = hmac.new(b"s" * 32, text.encode(), hashlib.sha256).hexdigest()
    assert _signed()[signing.SIGNATURE_HEADER] == f"v1={wanted}"


def test_what_was_signed_is_accepted_under_its_own_key():
    """Several keys are valid at once; the answer is the one that signed."""
    assert _verified(_signed()) is KEY
    assert _verified(_signed(OTHER)) is OTHER


@pytest.mark.parametrize(
    "changes", [{"method": "PUT"}, {"target": "/internal/v1/snapshots?a=+b"}, {"body": b'{"snapshots":[ ]}'}]
)
def test_an_altered_request_is_refused(changes):
    """Method, raw target and raw body are all covered."""
    assert _verified(_signed(), **changes) is None


@pytest.mark.parametrize("header", list(_signed()))
def test_every_header_is_needed_and_covered(header):
    """Without one of the four, or with another value in it, there is no caller."""
    assert _verified({k: v for k, v in _signed().items() if k != header}) is None
    assert _verified(_signed() | {header: _signed()[header] + "0"}) is None


@pytest.mark.parametrize(("age", "accepted"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_timestamp_counts_for_five_minutes_either_way(age, accepted):
    """Expired and future signatures are refused."""
    assert (_verified(_signed(timestamp=int(NOW) - age)) is KEY) is accepted


@pytest.mark.parametrize("stamp", ["", "x", "-5", "1e9", "٣", "9" * 400, "1800000000.0", " 1800000000"])
def test_a_timestamp_that_is_no_number_is_refused(stamp):
    """Nothing but ASCII digits; no exception either."""
    assert _verified(_signed() | {signing.TIMESTAMP_HEADER: stamp}) is None


@given(st.dictionaries(st.sampled_from(list(_signed())), st.text(st.characters(max_codepoint=0x2FFF))))
def test_nonsense_headers_are_refused_without_an_exception(headers):
    """Whatever text arrives, surrogates included, the answer is None."""
    assert _verified(headers) is None
    assert _verified(_signed() | {signing.SIGNATURE_HEADER: "v1=\udcff"}) is None


def test_an_installation_with_one_api_key_derives_its_signing_key():
    """Both sides derive the same key from the same API key, with every scope; another API key gives another."""
    assert signing.derive_key("a" * 32) == signing.derive_key("a" * 32)
    assert signing.derive_key("a" * 32).secret != signing.derive_key("b" * 32).secret
    assert signing.derive_key("a" * 32).scopes == signing.ALL_SCOPES
