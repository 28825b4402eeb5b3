"""What python-socketio calls in the namespaces of sessions, each handler one line: the way to `sessions`."""

from collections.abc import Coroutine
from typing import Any

import socketio

from backend_api.contract.sessions import Reason
from presence_server.errors import ConnectionRefused
from presence_server.namespaces import connected_later, told
from presence_server.sessions.sessions import Ack, SessionSockets


def attach_sessions(
    server: socketio.AsyncServer,
    sessions: SessionSockets,
    *,
    end_event: str,
    end_reason: Reason,
) -> None:
    """Let the namespace's events reach `sessions`; `end_event` is the one by which a client ends its session."""

    def connect(sid: str, environ: dict[str, Any], auth: object) -> Coroutine[Any, Any, None] | None:
        try:
            waiting = sessions.connect(sid, environ.get("HTTP_USER_AGENT", ""), auth)
        except ConnectionRefused as refused:
            raise told(refused) from None
        return None if waiting is None else connected_later(waiting)

    def disconnect(sid: str, reason: str) -> None:
        sessions.disconnect(sid, reason)

    async def end(sid: str, *_: object) -> Ack:
        return await sessions.end(sid, end_reason)

    def quality(sid: str, *arguments: object) -> Ack:
        return sessions.quality(sid, *arguments)

    handlers = {"connect": connect, "disconnect": disconnect, end_event: end, "quality": quality}
    for event, handler in handlers.items():
        server.on(event, handler, namespace=sessions.namespace)
