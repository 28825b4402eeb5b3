"""What is kept of an address and of a user agent. Pure."""

import hmac
import re
from hashlib import sha256
from ipaddress import ip_address, ip_network

MAX_USER_AGENT = 300

_BOT = re.compile(
    r"(?<!cu)bot\b|(?<!cu)bot[/;_-]|crawl|spider|slurp|preview|facebookexternalhit|whatsapp/|telegram|embedly|curl/|wget/|python-|"
    r"go-http|java/|okhttp|scrapy|lighthouse|pingdom|uptime|monitor",
    re.IGNORECASE,
)


def is_bot(user_agent: str) -> bool:
    """Whether a program calls that says so itself; an empty user agent is one, too."""
    return not user_agent.strip() or _BOT.search(user_agent) is not None


def truncated(address: str) -> str | None:
    """The network an address lies in (/24, IPv6 /48); None for what is no address."""
    try:
        prefix = 24 if ip_address(address).version == 4 else 48
        return str(ip_network(f"{address}/{prefix}", strict=False).network_address)
    except ValueError:
        return None


def keyed_hash(address: str, key: bytes) -> str:
    """The same address gives the same text, and nobody without the key can find the address."""
    return hmac.new(key, address.encode(), sha256).hexdigest()[:32]
