"""What is kept of an address and of a user agent. Pure."""

import hmac
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address, ip_network

from crawleruseragents import is_crawler

MAX_USER_AGENT = 300


@lru_cache(maxsize=4_096)
def is_bot(user_agent: str) -> bool:
    """Whether a program calls that is known as a crawler or a library; an empty user agent is one, too.

    A browser without a window is a browser: an application's own tests play in one, and crawlers that use one name
    themselves beside it. Remembers its answers, for hundreds of patterns take a millisecond.
    """
    return not user_agent.strip() or is_crawler(user_agent.replace("HeadlessChrome", "Chrome"))


def network_of(address: str) -> str:
    """Who has an address has its whole /64 in IPv6, so it is the /64 that limits hold for."""
    return _network(address, 32, 64) or address


def truncated(address: str) -> str | None:
    """The network an address lies in (/24, IPv6 /48); None for what is no address."""
    return _network(address, 24, 48)


def keyed_hash(address: str, key: bytes) -> str:
    """The same address gives the same text, and nobody without the key can find the address."""
    return hmac.new(key, address.encode(), sha256).hexdigest()[:32]


def _network(address: str, prefix4: int, prefix6: int) -> str | None:
    try:
        prefix = prefix4 if ip_address(address).version == 4 else prefix6
        return str(ip_network(f"{address}/{prefix}", strict=False).network_address)
    except ValueError:
        return None
