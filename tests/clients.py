"""The library's Socket.IO client, as patient as a busy machine needs it: by itself it gives up after a second."""

from typing import Any

import socketio

PATIENCE_SECONDS = 30


class Client(socketio.AsyncClient):
    """Waits for the server, and for its namespaces, as long as other waits of tests do."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"request_timeout": PATIENCE_SECONDS, **options})

    async def connect(self, url: str, *arguments: Any, **options: Any) -> None:
        await super().connect(url, *arguments, **{"wait_timeout": PATIENCE_SECONDS, **options})
