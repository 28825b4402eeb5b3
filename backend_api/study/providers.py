"""Asks the provider of calls what it knows: the CallProvider seam, Stream behind it, and one that knows nothing.

Stream: https://getstream.io/video/docs/api/ (call, participant sessions). Every request is a line in the log.
"""

import time
from collections.abc import Iterable
from typing import Annotated, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

import aiohttp
import orjson
import structlog
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from backend_api.contract.wire import Lenient
from backend_api.service.fetching import whole_body
from backend_api.study.calls import UNNAMED, Facts, Joined, Left
from backend_api.study.webhook import Keys

TIMEOUT_SECONDS = 4.0
MAX_ANSWER_BYTES = 4 * 1024 * 1024
TOKEN_SECONDS = 300
PER_PAGE = 100
MAX_PAGES = 50
EARLIER_SESSIONS = 3
"""So many of a call's earlier sessions are asked about beside the latest one."""

M = TypeVar("M", bound=BaseModel)

log = structlog.get_logger(__name__)


class ProviderError(Exception):
    """The provider gave no answer about a call that can be used; the fallback counts until it does."""


class ProviderAwayError(ProviderError):
    """It could not be reached, or serves nobody for now: that is not about the call that was asked about."""


class Answer(NamedTuple):
    """What the provider knows of one session of a call."""

    session: str
    facts: Facts


class CallProvider(Protocol):
    """What the provider knows of a call's latest session, and of the earlier ones that are asked for by their ids.

    Nothing of a call that it does not know. ProviderError when it cannot be had.
    """

    async def call(self, call_id: str, earlier: Iterable[str] = ()) -> list[Answer]: ...


class NoProvider:
    """Where none is configured: knows no call."""

    async def call(self, call_id: str, earlier: Iterable[str] = ()) -> list[Answer]:
        return []


class _User(Lenient):
    id: str


class _Participant(Lenient):
    user: _User | None = None
    user_id: Annotated[str | None, Field(alias="user_id")] = None
    user_session_id: Annotated[str | None, Field(alias="user_session_id")] = None
    joined_at: Annotated[AwareDatetime | None, Field(alias="joined_at")] = None
    started_at: Annotated[AwareDatetime | None, Field(alias="started_at")] = None
    left_at: Annotated[AwareDatetime | None, Field(alias="left_at")] = None
    ended_at: Annotated[AwareDatetime | None, Field(alias="ended_at")] = None
    duration_in_seconds: Annotated[float | None, Field(alias="duration_in_seconds", ge=0, le=30 * 86_400)] = None

    def facts(self) -> Facts:
        user_id = self.user.id if self.user is not None else self.user_id
        start = self.joined_at or self.started_at
        if user_id is None or start is None:
            return Facts()
        key = self.user_session_id or f"u:{user_id}"
        came, gone = start.timestamp(), self.left_at or self.ended_at
        seconds = None if self.duration_in_seconds is None else round(self.duration_in_seconds)
        went = gone.timestamp() if gone is not None else None if seconds is None else came + seconds
        return Facts(
            joined=frozenset({Joined(key, user_id, came)}),
            left=frozenset() if went is None else frozenset({Left(key, user_id, went, seconds)}),
        )


class _Session(Lenient):
    id: str
    started_at: Annotated[AwareDatetime | None, Field(alias="started_at")] = None
    ended_at: Annotated[AwareDatetime | None, Field(alias="ended_at")] = None
    participants: tuple[_Participant, ...] = ()

    def facts(self) -> Facts:
        found = Facts(
            opened=frozenset() if self.started_at is None else frozenset({self.started_at.timestamp()}),
            closed=frozenset() if self.ended_at is None else frozenset({self.ended_at.timestamp()}),
        )
        return found.merge(*(participant.facts() for participant in self.participants))


class _Call(Lenient):
    session: _Session | None = None


class _CallAnswer(Lenient):
    call: _Call


class _ParticipantsAnswer(Lenient):
    participants_sessions: Annotated[tuple[_Participant, ...], Field(alias="participants_sessions")] = ()
    next: str | None = None


class StreamProvider:
    """Stream's API at `base_url`. A call id without a type gets `call_type`."""

    def __init__(self, keys: Keys, base_url: str, call_type: str) -> None:
        self._keys, self._base_url, self._call_type = keys, base_url, call_type

    async def call(self, call_id: str, earlier: Iterable[str] = ()) -> list[Answer]:
        kind, _, name = call_id.rpartition(":")
        path = f"/api/v2/video/call/{quote(kind or self._call_type, safe='')}/{quote(name, safe='')}"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as session:
            answer = await self._get(session, path, {})
            if answer is None:
                return []
            latest = _read(_CallAnswer, answer).call.session
            found: list[Answer] = []
            if latest is not None:
                listed = await self._participants(session, path, latest.id)
                found.append(Answer(latest.id, latest.facts().merge(listed)))
            asked = [one for one in earlier if not one.startswith(UNNAMED) and (latest is None or one != latest.id)]
            for session_id in asked[-EARLIER_SESSIONS:]:
                found += await self._earlier(session, path, session_id)
            return found

    async def _earlier(self, session: aiohttp.ClientSession, path: str, session_id: str) -> list[Answer]:
        """What is told of an earlier session, if anything: the latest one's answer must not be lost with it."""
        try:
            return [Answer(session_id, await self._participants(session, path, session_id))]
        except ProviderAwayError:
            raise
        except ProviderError as error:
            log.warning("provider_gave_no_answer", path=path, session=session_id, reason=str(error))
            return []

    async def _participants(self, session: aiohttp.ClientSession, path: str, session_id: str) -> Facts:
        """Everybody who was in a session of the call. ProviderError where there are more than are ever asked for."""
        facts, asked = Facts(), {"limit": str(PER_PAGE)}
        for _ in range(MAX_PAGES):
            body = await self._get(session, f"{path}/session/{quote(session_id, safe='')}/participant_sessions", asked)
            page = _ParticipantsAnswer() if body is None else _read(_ParticipantsAnswer, body)
            facts = facts.merge(*(participant.facts() for participant in page.participants_sessions))
            if not page.next:
                return facts
            asked = {"limit": str(PER_PAGE), "next": page.next}
        raise ProviderError("Stream lists participants without end")

    async def _get(self, session: aiohttp.ClientSession, path: str, asked: dict[str, str]) -> bytes | None:
        """The body of an answer; None for 404."""
        started = time.perf_counter()
        status: int | str = "unreachable"
        try:
            async with session.get(
                self._base_url + path,
                params={"api_key": self._keys.api_key, **asked},
                headers={"Authorization": self._token(), "stream-auth-type": "jwt"},
                allow_redirects=False,
            ) as response:
                status = response.status
                if status == 404:
                    return None
                if status != 200:
                    away = response.status >= 500 or response.status in (401, 429)
                    raise (ProviderAwayError if away else ProviderError)(f"Stream answered {status}")
                return await whole_body(response, MAX_ANSWER_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderAwayError(f"Stream could not be reached: {type(error).__name__}") from None
        except ValueError as error:
            raise ProviderError(f"Stream's answer is {error}") from None
        finally:
            log.info("provider_asked", path=path, status=status, seconds=round(time.perf_counter() - started, 3))

    def _token(self) -> str:
        now = int(time.time())
        claims = {"server": True, "iat": now - 5, "exp": now + TOKEN_SECONDS}
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self._keys.secret))


def _read(model: type[M], answer: bytes) -> M:
    try:
        return model.model_validate(orjson.loads(answer))
    except (orjson.JSONDecodeError, ValidationError):
        raise ProviderError("Stream's answer could not be understood") from None
