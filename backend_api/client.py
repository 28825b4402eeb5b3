"""What services of ours call the backend with: requests signed, several backends tried in turn. Never retries later.

    async with BackendClient(["http://127.0.0.1:8080"], key) as backend:
        await backend.save_part("auction:lot-42", RoomPart(viewer_count=3, avg_viewers=2.5, peak_viewers=4))

Every write is idempotent, so after a BackendError with `retryable` the same call may simply be made again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Generic, Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError
from yarl import URL

from backend_api.contract.rooms import is_room
from backend_api.contract.signing import SigningKey, sign
from backend_api.contract.snapshots import BatchResult, History, Part, RoomPart, RoomSettings, Saved
from backend_api.contract.wire import rfc3339

TimeRange = Literal["1h", "6h", "24h", "7d", "30d", "90d", "all"]
Resolution = Literal["auto", "1m", "5m", "15m", "1h", "1d"]

CONNECT_TIMEOUT_SECONDS = 3.0

_RETRYABLE = frozenset({401, 403, 408, 425, 429})

T = TypeVar("T")

_parts = TypeAdapter(list[Part])


class BackendError(Exception):
    """The backend refused (`status`, its words) or did not answer (`status` None). `retryable`: later may go well."""

    def __init__(self, message: str, *, status: int | None, retryable: bool) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = retryable


class Answer(NamedTuple):
    """An answer as it came; `retry_after` is the header's text."""

    status: int
    body: bytes
    retry_after: str | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same request may be taken later (CONTRACT: 401, 403, 408, 425, 429 and 5xx)."""
        return self.status >= 500 or self.status in _RETRYABLE


class _Success(BaseModel, Generic[T]):
    data: T


class _Problem(BaseModel):
    title: str = ""
    detail: str = ""


class BackendClient:
    """Enter it before use. `timeout_seconds` is for one backend's answer; a failing one is followed by the next.

    ValueError for a room whose name is none.
    """

    def __init__(
        self,
        urls: Sequence[str],
        key: SigningKey,
        *,
        timeout_seconds: float = 10.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not urls:
            raise ValueError("a backend's URL is needed")
        self._urls = [url.rstrip("/") for url in urls]
        self._key = key
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_TIMEOUT_SECONDS)
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def post_report(self, path: str, body: bytes, request_id: str) -> Answer:
        """Sends bytes as they are; any answer is returned. BackendError if no backend answers at all."""
        return await self._send("POST", path, body, request_id)

    async def save_part(self, room: str, part: RoomPart) -> Saved:
        """Saves one minute of a room."""
        body = part.model_dump_json(by_alias=True, exclude_none=True).encode()
        return await self._call(Saved, "POST", f"{_path_of(room)}/analytics/snapshot", body)

    async def save_parts(self, parts: Sequence[Part]) -> BatchResult:
        """Saves up to MAX_PARTS minutes of any rooms; the results are in the order of the parts."""
        body = b'{"snapshots":%s}' % _parts.dump_json(list(parts), by_alias=True, exclude_none=True)
        return await self._call(BatchResult, "POST", "/internal/v1/snapshots", body)

    async def history(
        self,
        room: str,
        *,
        time_range: TimeRange | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        resolution: Resolution = "auto",
    ) -> History:
        """Viewer history over a named range, or from `start` to `end`; all of it unless said otherwise."""
        edges = {"from": start and rfc3339(start), "to": end and rfc3339(end)}
        if not any(edges.values()):
            edges = {"timeRange": time_range or "all"}
        query = {**{name: text for name, text in edges.items() if text}, "resolution": resolution}
        return await self._call(History, "GET", f"{_path_of(room)}/analytics/viewers", query=query)

    async def settings(self, room: str) -> RoomSettings:
        """The switches of a room."""
        return await self._call(RoomSettings, "GET", f"{_path_of(room)}/settings")

    async def set_settings(self, room: str, *, enable_viewer_analytics: bool) -> RoomSettings:
        """Sets the switches of a room and gives what they are now."""
        body = RoomSettings(enable_viewer_analytics=enable_viewer_analytics).model_dump_json(by_alias=True)
        return await self._call(RoomSettings, "PATCH", f"{_path_of(room)}/settings", body.encode())

    async def _call(
        self, model: type[T], method: str, path: str, body: bytes = b"", query: Mapping[str, str] | None = None
    ) -> T:
        target = f"{path}?{urlencode(query)}" if query else path
        answer = await self._send(method, target, body, uuid4().hex)
        if not 200 <= answer.status < 300:
            raise _refusal(answer)
        try:
            # A newer backend may say more than this client knows of.
            return _Success[model].model_validate_json(answer.body, extra="ignore").data  # type: ignore[valid-type]
        except ValidationError:
            raise BackendError("the answer is not the backend's", status=answer.status, retryable=True) from None

    async def _send(self, method: str, target: str, body: bytes, request_id: str) -> Answer:
        """The first answer below 500; else the last one at all; BackendError where there is none."""
        failed: Answer | None = None
        reasons = []
        for base in tuple(self._urls):
            try:
                answer = await self._send_to(base, method, target, body, request_id)
            except (aiohttp.ClientError, TimeoutError) as error:
                reasons.append(f"{base}: {str(error) or 'no answer in time'}")
            else:
                if answer.status < 500:
                    self._prefer(base)
                    return answer
                failed = answer
        if failed is not None:
            return failed
        raise BackendError("; ".join(reasons), status=None, retryable=True)

    async def _send_to(self, base: str, method: str, target: str, body: bytes, request_id: str) -> Answer:
        if self._session is None:
            raise RuntimeError("BackendClient is used before it is entered")
        url = URL(base + target, encoded=True)
        signature = sign(
            self._key,
            request_id=request_id,
            timestamp=int(self._now()),
            method=method,
            target=url.raw_path_qs,
            body=body,
        )
        headers = {**signature, "X-Request-Id": request_id}
        if body:
            headers["Content-Type"] = "application/json"
        async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
            return Answer(response.status, await response.read(), response.headers.get("Retry-After"))

    def _prefer(self, base: str) -> None:
        """The one that answered is asked first from now on."""
        if self._urls[0] != base:
            self._urls.sort(key=lambda url: url != base)


def _path_of(room: str) -> str:
    if not is_room(room):
        raise ValueError(f"no room: {room!r}")
    return f"/api/v1/rooms/{room}"


def _refusal(answer: Answer) -> BackendError:
    try:
        problem = _Problem.model_validate_json(answer.body)
    except ValidationError:
        problem = _Problem()
    words = problem.detail or problem.title or "no reason given"
    return BackendError(f"{answer.status}: {words}", status=answer.status, retryable=answer.retryable)
