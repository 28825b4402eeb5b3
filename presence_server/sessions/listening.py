"""What a listener's handshake must hold: `{token?, channelId, streamId?, showId?, listenerId?, sessionToken?}`."""

from collections.abc import Coroutine
from typing import Any

from pydantic import ConfigDict, ValidationError

from backend_api.contract.rooms import RoomId
from backend_api.contract.sessions import ListenerId
from backend_api.contract.wire import Lenient
from presence_server.auth import Gate, Person
from presence_server.errors import ConnectionRefused
from presence_server.sessions.sessions import Wanted


class ListeningAuth(Lenient):
    """The handshake; `token` is the Gate's."""

    model_config = ConfigDict(strict=True)

    channel_id: RoomId
    stream_id: RoomId | None = None
    show_id: RoomId | None = None
    listener_id: ListenerId | None = None
    session_token: str | None = None


class ListeningDoor:
    """Admits listeners, users and guests alike; a token that is sent has to be right."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def admit(self, auth: object, connection: str) -> Wanted | Coroutine[Any, Any, Wanted]:
        try:
            asked = ListeningAuth.model_validate(auth)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(map(str, first["loc"])) or "auth"
            raise ConnectionRefused("bad_request", f"{name}: {first['msg']}") from None
        token = auth.get("token") if isinstance(auth, dict) else None
        person = self._gate.admit({"token": token, "viewerId": asked.listener_id}, connection)
        return _wanted(asked, person) if isinstance(person, Person) else _wanted_later(asked, person)


async def _wanted_later(asked: ListeningAuth, waiting: Coroutine[Any, Any, Person]) -> Wanted:
    return _wanted(asked, await waiting)


def _wanted(asked: ListeningAuth, person: Person) -> Wanted:
    ids = {"channel_id": asked.channel_id, "stream_id": asked.stream_id, "show_id": asked.show_id}
    ids["listener_id"] = asked.listener_id
    subject = f"g:{asked.listener_id}" if asked.listener_id else ""
    if person.claims is not None:
        ids["user_id"] = person.claims.sub[:128]
        subject = f"u:{person.claims.sub[:128]}"
    return Wanted(
        subject=subject,
        target=(asked.channel_id, asked.stream_id or "", asked.show_id or ""),
        details={name: value for name, value in ids.items() if value is not None},
        viewer_id=person.viewer_id,
        room=f"channel:{asked.channel_id}",
        claims=person.claims,
        session_token=asked.session_token,
    )
