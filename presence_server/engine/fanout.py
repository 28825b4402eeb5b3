"""One event to many members: one encoding, one frame, one write for each.

Who the members are is the caller's knowledge; they are named by their connections, which two namespaces of one client
share. A connection that is not in the namespace (any more) is passed over. Nobody's handler runs while a frame is being
handed out, so none can speak in the midst of it: whoever falls too far behind ends in a later turn of the loop.
"""

from collections.abc import Set
from typing import Any

from presence_server.engine import frames, packets
from presence_server.engine.members import Members
from presence_server.engine.straight import write_all


class Fanout:
    """Sends events to connections, by their Engine.IO sids."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def send(
        self,
        connections: Set[str],
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
        for wire, sent in write_all(map(wires.get, connections), frame):
            wire.deliver(text, frame[sent:], topic)
