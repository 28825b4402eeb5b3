"""The token in a tutoring link."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.contract.links import link_secrets, link_token, read_link_token
from backend_api.contract.signing import ALL_SCOPES, SigningKey

NEW = SigningKey("new", b"n" * 32, ALL_SCOPES)
OLD = SigningKey("old", b"o" * 32, ALL_SCOPES)
SECRETS = link_secrets([NEW, OLD])
LINKS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=40)


@given(link_id=LINKS, expires_at=st.integers(0, 2**40 - 1))
def test_a_token_says_its_link_and_its_expiry(link_id, expires_at):
    """What was signed comes back, and the same link makes the same token again."""
    token = link_token(SECRETS[0], link_id, expires_at)
    assert read_link_token(SECRETS, token) == (link_id, expires_at)
    assert token == link_token(SECRETS[0], link_id, expires_at)


@given(link_id=LINKS, position=st.integers(0, 300), replacement=st.sampled_from("AQgw_-0z"))
def test_an_altered_token_says_nothing(link_id, position, replacement):
    """One changed character anywhere, be it only in base64's spare bits, and it is refused."""
    token = link_token(SECRETS[0], link_id, 1_800_000_000)
    position %= len(token)
    altered = token[:position] + replacement + token[position + 1 :]
    assert altered == token or read_link_token(SECRETS, altered) is None


@pytest.mark.parametrize("token", ["", "A", "====", "é" * 20, "A" * 44, "A" * 10_000, "a b", "\0"])
def test_what_is_no_token_says_nothing(token):
    """Whatever is sent, nothing is raised."""
    assert read_link_token(SECRETS, token) is None


def test_a_rotated_key_still_opens_the_links_it_signed():
    """Every configured key is tried; a key that is gone opens nothing."""
    token = link_token(link_secrets([OLD])[0], "l1", 1_800_000_000)
    assert read_link_token(SECRETS, token) is not None
    assert read_link_token(link_secrets([NEW]), token) is None


def test_a_token_expires_at_its_time():
    """The second named is the first one that is too late."""
    claim = read_link_token(SECRETS, link_token(SECRETS[0], "l1", 1_000))
    assert claim is not None
    assert not claim.is_expired(999.9)
    assert claim.is_expired(1_000)
