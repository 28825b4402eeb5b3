"""What a study page's handshake must hold: `{token, callId, sessionToken?}`; and how long it has been."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from pydantic import ConfigDict, StringConstraints, ValidationError

from backend_api.contract.wire import Lenient
from presence_server.auth import Gate, Person
from presence_server.errors import ConnectionRefused
from presence_server.sessions.sessions import SessionSockets, Wanted

DURATION_EVENT = "duration"
DURATION_EVERY_SECONDS = 30


class CallAuth(Lenient):
    """The handshake; `token` is the Gate's."""

    model_config = ConfigDict(strict=True)

    call_id: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-]{1,64}:)?[A-Za-z0-9_.~-]{1,128}$")]
    session_token: str | None = None


class CallDoor:
    """Admits users; guests have no study calls."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def admit(self, auth: object, connection: str) -> Wanted | Coroutine[Any, Any, Wanted]:
        try:
            asked = CallAuth.model_validate(auth)
        except ValidationError:
            raise ConnectionRefused("bad_request", "callId: a call's id is needed.") from None
        token = auth.get("token") if isinstance(auth, dict) else None
        person = self._gate.admit({"token": token}, connection)
        return _wanted(asked, person) if isinstance(person, Person) else _wanted_later(asked, person)


class DurationTeller:
    """Tells every socket of a study session, each thirty seconds, how long it has been by our own measure."""

    def __init__(self, study: SessionSockets, now: Callable[[], float]) -> None:
        self._study, self._now = study, now
        self._told: dict[str, int] = {}

    def tell(self) -> None:
        """Whatever is due by now."""
        now, before, self._told = self._now(), self._told, {}
        for sid, session in self._study.carried():
            elapsed = now - session.started_at
            self._told[sid] = rounds = int(elapsed // DURATION_EVERY_SECONDS)
            if rounds > before.get(sid, rounds):
                said = {"callId": session.target[0], "durationSeconds": int(elapsed), "source": "server"}
                self._study.tell(sid, DURATION_EVENT, said)


async def _wanted_later(asked: CallAuth, waiting: Coroutine[Any, Any, Person]) -> Wanted:
    return _wanted(asked, await waiting)


def _wanted(asked: CallAuth, person: Person) -> Wanted:
    if person.claims is None:
        raise ConnectionRefused("unauthorized", "A token is needed.")
    user_id = person.claims.sub[:128]
    return Wanted(
        subject=f"u:{user_id}",
        target=(asked.call_id,),
        details={"user_id": user_id, "call_id": asked.call_id},
        viewer_id=person.viewer_id,
        claims=person.claims,
        session_token=asked.session_token,
    )
