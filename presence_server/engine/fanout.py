"""One event to many members: one encoding, one frame, one write for each.

Who the members are is the caller's knowledge. A sid that is not connected (any more) is passed over.
"""

from collections.abc import Iterable
from typing import Any

from presence_server.engine import frames, packets
from presence_server.engine.members import CONNECTED, Members


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
        members = self._members.of(namespace)
        for sid in sids:
            member = members.get(sid)
            if member is None or member.state != CONNECTED or not member.socket.alive:
                continue
            if topic is None:
                member.socket.wire.send(text)
            else:
                member.socket.wire.send_newest(text, frame, topic)
