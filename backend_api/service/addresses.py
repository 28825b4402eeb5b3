"""Where a request came from, when proxies stand in between. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Networks = Sequence[IPv4Network | IPv6Network]

MAX_HOPS = 32


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Networks) -> str:
    """The address of the client: the rightmost hop of X-Forwarded-For that is not a trusted proxy.

    `peer` is the address of the connection, `forwarded_for` the header's lines in order. The header is read only where
    the peer itself is trusted; what is left of the first untrusted hop may be forged and is never read.
    """
    client = _parse(peer)
    if client is None:
        return peer
    hops = [hop.strip() for line in forwarded_for for hop in line.split(",")]
    for hop in reversed(hops[-MAX_HOPS:]):
        before = _parse(hop) if _is_within(client, trusted) else None
        if before is None:
            break
        client = before
    return str(client)


def is_trusted(peer: str, trusted: Networks) -> bool:
    """Whether a connection comes from one of the trusted proxies, so that its headers are believed."""
    address = _parse(peer)
    return address is not None and _is_within(address, trusted)


def _is_within(address: IPv4Address | IPv6Address, networks: Networks) -> bool:
    return any(address in network for network in networks)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address with or without a port, brackets or a zone; an IPv4 address inside IPv6 is the IPv4 address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
