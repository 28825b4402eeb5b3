"""What a tutoring page's handshake must hold: `{trackingToken}`, a link's token, checked without asking anybody."""

from collections.abc import Callable, Sequence

from pydantic import ConfigDict, ValidationError

from backend_api.contract.links import read_link_token
from backend_api.contract.wire import Lenient
from presence_server.errors import ConnectionRefused
from presence_server.sessions.sessions import Wanted

OUTLASTS_SECONDS = 86_400.0
"""The expiry is for the first click, which is the backend's to judge; a lesson that runs may last longer."""


class LessonAuth(Lenient):
    """The handshake."""

    model_config = ConfigDict(strict=True)

    tracking_token: str


class LessonDoor:
    """Admits whoever holds a link's token. The socket keeps the lesson alive; it neither starts nor bills one."""

    def __init__(self, secrets: Sequence[bytes], now: Callable[[], float]) -> None:
        self._secrets, self._now = secrets, now

    def admit(self, auth: object, _connection: str) -> Wanted:
        try:
            token = LessonAuth.model_validate(auth).tracking_token
        except ValidationError:
            raise ConnectionRefused("bad_request", "trackingToken: the token of the link is needed.") from None
        claim = read_link_token(self._secrets, token)
        if claim is None or claim.is_expired(self._now() - OUTLASTS_SECONDS):
            raise ConnectionRefused("unauthorized", "The link is not valid.")
        return Wanted(
            subject="",
            target=(claim.link_id,),
            details={"link_id": claim.link_id},
            viewer_id=f"l:{claim.link_id}",
            session_id=claim.link_id,
        )
