"""What tutoring is told by the configuration, ready to use: which meetings are allowed, how links are made."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from backend_api.contract.links import LinkClaim, link_token, read_link_token
from backend_api.service.errors import FieldError, Unauthorized, Unprocessable
from backend_api.tutoring.lesson import Lesson

TRACK_PATH = "/api/zoom/track"


class LinkMaker(NamedTuple):
    """Tokens and addresses of links. The first secret signs, each opens."""

    secrets: Sequence[bytes]
    public_url: str

    def token(self, lesson: Lesson) -> str:
        return link_token(self.secrets[0], lesson.id, int(lesson.expires_at))

    def url(self, lesson: Lesson) -> str:
        return f"{self.public_url}{TRACK_PATH}?token={self.token(lesson)}"

    def read(self, token: str) -> LinkClaim:
        """Unauthorized for a token that we did not make."""
        claim = read_link_token(self.secrets, token)
        if claim is None:
            raise Unauthorized("The link is not valid.")
        return claim


class Rules(NamedTuple):
    """`meeting_hosts`: a host on the list stands for its subdomains too."""

    meeting_hosts: Sequence[str]
    link_seconds: int
    timeout_seconds: float
    currency: str
    timezone: str


def check_meeting(link: str, hosts: Sequence[str]) -> str:
    """The link, if it is https and leads to an allowed host; else Unprocessable."""
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").rstrip(".")
        clean = parts.scheme == "https" and "@" not in parts.netloc and parts.port in (None, 443)
    except ValueError:
        clean, host = False, ""
    # What is outside the printable ASCII is read differently by different browsers.
    if not clean or not link.isascii() or not link.isprintable() or " " in link or "\\" in link:
        raise _refused("must be a plain https link")
    if not any(host == allowed or host.endswith(f".{allowed}") for allowed in hosts):
        raise _refused("leads to a host that is not on the list of meeting providers")
    return link


def _refused(detail: str) -> Unprocessable:
    return Unprocessable("The link is not one to a meeting.", errors=[FieldError("#/link", detail)])
