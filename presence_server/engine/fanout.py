"""One event to many members: one encoding, one frame, one write for each.

Who the members are is the caller's knowledge; they are named by their connections, which two namespaces of one client
share. A connection that is not in the namespace (any more) is passed over.
"""

import os
from collections.abc import Iterable
from typing import Any

from presence_server.engine import frames, packets
from presence_server.engine.members import Members
from presence_server.engine.sockets import Wire
from presence_server.engine.websocket import WebSocket


class Fanout:
    """Sends events to connections, by their Engine.IO sids."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def send(
        self,
        connections: Iterable[str],
        event: str,
        *args: Any,
        namespace: str = packets.ROOT,
        topic: str | None = None,
    ) -> None:
        """Send an event to every one of the connections that is in the namespace.

        With a `topic` a later event of the same topic makes this one superfluous: a member that does not read fast
        enough gets only the newest of each topic once it reads again. Raises TypeError for what JSON cannot say.
        """
        text = packets.encode(packets.EVENT, namespace, [event, *args])
        frame = frames.frame(frames.TEXT, text)
        wires = self._members.wires(namespace)
        if topic is None:
            for wire in [wires[sid] for sid in connections if sid in wires]:
                wire.send(text)
        else:
            _write_newest(wires, connections, text, frame, topic)


def _write_newest(wires: dict[str, Wire], connections: Iterable[str], text: bytes, frame: bytes, topic: str) -> None:
    """The hot loop: straight to the system where nothing waits before the frame, else by way of the wire.

    A descriptor is its connection's only as long as the transport is not closing, hence the question every time.
    """
    find, write = wires.get, os.write
    for connection in connections:
        wire = find(connection)
        if isinstance(wire, WebSocket) and wire.descriptor >= 0 and not wire.slow:
            transport = wire.transport
            if not transport.is_closing() and not transport.get_write_buffer_size():
                try:
                    sent = write(wire.descriptor, frame)
                except OSError:
                    sent = 0
                if sent < len(frame):
                    transport.write(frame[sent:])
                continue
        if wire is not None:
            wire.send_newest(text, frame, topic)
