"""Reads a request's body once, capped in bytes and in time. Knows no meaning of it."""

import asyncio

from aiohttp import web

from backend_api.service.errors import BadRequest, TooLarge, Unsupported

BODY_TIMEOUT_SECONDS = 30.0


class Body:
    """The raw body of one request, read when it is first asked for."""

    def __init__(self, request: web.Request, max_bytes: int) -> None:
        self._request = request
        self._max_bytes = max_bytes
        self._bytes: bytes | None = None

    async def read(self) -> bytes:
        """The bytes as they were sent. TooLarge above the cap, BadRequest where they break off or dawdle."""
        if self._bytes is None:
            self._bytes = await self._read()
        return self._bytes

    async def _read(self) -> bytes:
        if (self._request.content_length or 0) > self._max_bytes:
            raise self._too_large()
        taken = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                async for piece in self._request.content.iter_any():
                    taken += piece
                    if len(taken) > self._max_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise BadRequest("The body did not arrive in time.") from None
        except (web.RequestPayloadError, ConnectionError):
            raise BadRequest("The body broke off.") from None
        return bytes(taken)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self._max_bytes} bytes.")


def check_media_type(request: web.Request, *, beacon: bool) -> None:
    """Unsupported unless the body is sent as uncompressed JSON (or, for a beacon, as text)."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unsupported("Compressed bodies are not taken.")
    if "Content-Type" not in request.headers:
        return
    media_type = request.content_type
    if not (
        media_type == "application/json" or media_type.endswith("+json") or (beacon and media_type == "text/plain")
    ):
        raise Unsupported("Send the body as application/json.")
