"""What Socket.IO calls, each handler one line: the way from its events to `viewers`."""

from collections.abc import Coroutine
from typing import Any

import socketio

from presence_server.errors import ConnectionRefused
from presence_server.viewers import Ack, Viewers


def attach(server: socketio.AsyncServer, viewers: Viewers) -> None:
    """Let the default namespace's events reach `viewers`."""

    def connect(sid: str, environ: dict[str, Any], auth: object) -> Coroutine[Any, Any, None] | None:
        try:
            waiting = viewers.connect(sid, auth)
        except ConnectionRefused as refused:
            raise told(refused) from None
        return None if waiting is None else connected_later(waiting)

    def disconnect(sid: str, reason: str) -> None:
        viewers.disconnect(sid)

    def join(sid: str, *arguments: object) -> Ack | Coroutine[Any, Any, Ack]:
        return viewers.join(sid, arguments)

    def leave(sid: str, *arguments: object) -> Ack:
        return viewers.leave(sid, arguments)

    def watch(sid: str, *arguments: object) -> Ack | Coroutine[Any, Any, Ack]:
        return viewers.watch(sid, arguments)

    def unwatch(sid: str, *arguments: object) -> Ack:
        return viewers.unwatch(sid, arguments)

    def active(sid: str, *arguments: object) -> None:
        viewers.active(sid, arguments)

    for handler in (connect, disconnect, join, leave, watch, unwatch, active):
        server.on(handler.__name__, handler)


async def connected_later(waiting: Coroutine[Any, Any, None]) -> None:
    """The rest of a connect that had to wait."""
    try:
        await waiting
    except ConnectionRefused as refused:
        raise told(refused) from None


def told(refused: ConnectionRefused) -> Exception:
    """A refusal as the client hears it."""
    error: Exception = socketio.exceptions.ConnectionRefusedError(refused.message, {"code": refused.code})
    return error
