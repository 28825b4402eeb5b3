"""Session tokens: what is signed is what is read; nothing else is."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract.session_tokens import SessionClaims, check, issue, token_secrets
from backend_api.contract.signing import derive_key

SECRETS = token_secrets([derive_key("a" * 32), derive_key("b" * 32)])
CLAIMS = SessionClaims("listening", "s1", 1_800_000_000.125, "g:l1", ("c1", "", "morning"))


@given(st.text(max_size=64), st.lists(st.text(max_size=64), max_size=3))
def test_what_is_issued_is_what_is_read(subject, target):
    """Whatever the subject and target hold; start to the millisecond."""
    claims = CLAIMS._replace(subject=subject, target=tuple(target))
    assert check(SECRETS, issue(SECRETS[0], claims)) == claims


def test_every_secret_verifies_and_no_other():
    """Rotation: tokens of the old key stay good as long as it is configured."""
    token = issue(SECRETS[1], CLAIMS)
    assert check(SECRETS, token) == CLAIMS
    assert check(SECRETS[:1], token) is None


def test_an_altered_token_is_none():
    """Each character counts, on both sides of the dot."""
    token = issue(SECRETS[0], CLAIMS)
    for at in range(len(token)):
        other = "A" if token[at] != "A" else "B"
        assert check(SECRETS, token[:at] + other + token[at + 1 :]) is None


@pytest.mark.parametrize("token", ["", ".", "a.b", "é.x", "x" * 5_000, base64.urlsafe_b64encode(b"[]").decode() + "."])
def test_what_is_no_token_is_none(token):
    """Never an exception."""
    assert check(SECRETS, token) is None
