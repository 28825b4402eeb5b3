"""One event to many members: one encoding, one frame, one write for each.

Who the members are is the caller's knowledge. A sid that is not connected (any more) is passed over.
"""

import os
from collections.abc import Iterable
from typing import Any

from presence_server.engine import frames, packets
from presence_server.engine.members import Members
from presence_server.engine.sockets import Wire
from presence_server.engine.websocket import WebSocket


class Fanout:
    """Sends events to members by their Socket.IO sids."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def send(
        self,
        sids: Iterable[str],
        event: str,
        *args: Any,
        namespace: str = packets.ROOT,
        topic: str | None = None,
    ) -> None:
        """Send an event to every one of the sids that is connected.

        With a `topic` a later event of the same topic makes this one superfluous: a member that does not read fast
        enough gets only the newest of each topic once it reads again. Raises TypeError for what JSON cannot say.
        """
        text = packets.encode(packets.EVENT, namespace, [event, *args])
        frame = frames.frame(frames.TEXT, text)
        wires = self._members.wires(namespace)
        if topic is None:
            for wire in [wires[sid] for sid in sids if sid in wires]:
                wire.send(text)
        else:
            _write_newest(wires, sids, text, frame, topic)


def _write_newest(wires: dict[str, Wire], sids: Iterable[str], text: bytes, frame: bytes, topic: str) -> None:
    """The hot loop: straight to the system where nothing waits before the frame, else by way of the wire.

    A descriptor is its connection's only as long as the transport is not closing, hence the question every time.
    """
    find, write = wires.get, os.write
    for sid in sids:
        wire = find(sid)
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
