"""Whose address a request has behind proxies."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend_api.service.addresses import client_address

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("fd00::1%eth0", ["2001:db8::1"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_client_is_the_rightmost_hop_that_is_no_trusted_proxy(peer, forwarded, client):
    """Only a trusted peer's header is read, from the right, until somebody untrusted or unreadable."""
    assert client_address(peer, forwarded, TRUSTED) == client


def test_without_trusted_proxies_the_header_is_never_read():
    """The default believes nobody."""
    assert client_address("10.0.0.1", ["198.51.100.1"], []) == "10.0.0.1"


addresses = st.ip_addresses().map(str)


@given(peer=addresses, forged=st.lists(st.one_of(addresses, st.text())), real=addresses)
def test_what_a_client_writes_never_passes_for_its_address(peer, forged, real):
    """Whatever stands left of the hop that our proxy appended changes nothing."""
    real = client_address(real, [], [])  # as an IPv4 address where it is one inside IPv6
    assume(not any(ip_address(real) in network for network in TRUSTED))
    honest = client_address("10.0.0.1", [real], TRUSTED)
    assert client_address("10.0.0.1", [", ".join([*forged, real])], TRUSTED) == honest
