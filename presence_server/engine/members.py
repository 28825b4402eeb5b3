"""Who is connected to which namespace, and in which Socket.IO rooms: the library's client manager, by index.

A member is one namespace of one session. Leaving costs the rooms the member is in, never the number of rooms there
are. The rooms here are the library's, for whoever wants them; viewers are counted elsewhere and never enter one.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import socketio

from presence_server.engine import packets
from presence_server.engine.sockets import Socket, Wire

CONNECTING, CONNECTED, LEAVING, LEFT = range(4)


class Member:
    """One namespace of one session. LEFT while the client may still send to a namespace that we made it leave."""

    __slots__ = ("namespace", "rooms", "sid", "socket", "state")

    def __init__(self, socket: Socket, namespace: str, sid: str) -> None:
        self.socket = socket
        self.namespace = namespace
        self.sid = sid
        self.state = CONNECTING
        self.rooms: set[Any] | None = None

    @property
    def connected(self) -> bool:
        return self.state == CONNECTED and self.socket.alive


class Members(socketio.AsyncManager):  # type: ignore[misc]  # the library is untyped
    """The client manager. `of(namespace)` maps sids to members."""

    def __init__(self) -> None:
        super().__init__()
        self._members: dict[str, dict[str, Member]] = {packets.ROOT: {}}
        self._wires: dict[str, dict[str, Wire]] = {}
        self.rooms: dict[str, dict[Any, dict[str, Member]]] = {}

    def of(self, namespace: str) -> dict[str, Member]:
        members = self._members.get(namespace)
        if members is None:
            members = self._members[namespace] = {}
        return members

    def wires(self, namespace: str) -> dict[str, Wire]:
        """What to write to, by Engine.IO sid: of everyone who is connected to the namespace at this moment."""
        wires = self._wires.get(namespace)
        if wires is None:
            wires = self._wires[namespace] = {}
        return wires

    def hears(self, member: Member) -> None:
        """From now on the member is written to, on whatever carries its session."""
        self.wires(member.namespace)[member.socket.sid] = member.socket.wire

    def deafened(self, member: Member) -> None:
        self.wires(member.namespace).pop(member.socket.sid, None)

    def find(self, sid: str | None, namespace: str) -> Member | None:
        members = self._members.get(namespace)
        return members.get(sid) if members and sid is not None else None

    def add(self, socket: Socket, namespace: str, sid: str) -> Member:
        """A member that is not connected yet. It takes the place of one that had left."""
        member = Member(socket, namespace, sid)
        self.of(namespace)[sid] = member
        socket.members = (*(m for m in socket.members if m.namespace != namespace), member)
        return member

    def remove(self, member: Member) -> None:
        """Out of the namespace and all its rooms."""
        for room in tuple(member.rooms or ()):
            self.basic_leave_room(member.sid, member.namespace, room)
        self.of(member.namespace).pop(member.sid, None)
        self.callbacks.pop(member.sid, None)
        socket = member.socket
        if member.state != LEFT:
            socket.members = tuple(m for m in socket.members if m is not member)

    # What the library asks of a client manager

    def get_namespaces(self) -> list[str]:
        return [namespace for namespace, members in self._members.items() if members]

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        for member in self.participants(namespace, room):
            yield member.sid, member.socket.sid

    def participants(self, namespace: str, room: Any) -> list[Member]:
        """The members in a room, in any of a list of rooms, under a sid, or (room None) in the namespace."""
        if room is None:
            return list(self._members.get(namespace, {}).values())
        if isinstance(room, Iterable) and not isinstance(room, str):
            found = {member.sid: member for one in room for member in self.participants(namespace, one)}
            return list(found.values())
        member = self.find(room, namespace) if isinstance(room, str) else None
        if member is not None:
            return [member]
        return list(self.rooms.get(namespace, {}).get(room, {}).values())

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        member = self.find(sid, namespace)
        return member is not None and member.connected

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        member = self.find(sid, namespace)
        return member is not None and member.state == CONNECTING

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        socket: Socket | None = self.server.eio.sockets.get(eio_sid)
        found = [m.sid for m in socket.members if m.namespace == namespace] if socket is not None else []
        return found[0] if found else None

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        member = self.find(sid, namespace)
        return member.socket.sid if member is not None else None

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Raises ValueError for one who is not connected: the dead enter no room, so they leave no ghost."""
        member = self.find(sid, namespace)
        if member is None or not member.socket.alive or member.state in (LEAVING, LEFT):
            raise ValueError("sid is not connected to requested namespace")
        if room is None or (isinstance(room, str) and self.find(room, namespace) is not None):
            raise ValueError("cannot enter a sid room")
        self.rooms.setdefault(namespace, {}).setdefault(room, {})[sid] = member
        if member.rooms is None:
            member.rooms = set()
        member.rooms.add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        rooms = self.rooms.get(namespace, {})
        member = rooms.get(room, {}).pop(sid, None)
        if member is None:
            return
        if member.rooms is not None:
            member.rooms.discard(room)
        if not rooms[room]:
            del rooms[room]
            if not rooms:
                del self.rooms[namespace]

    def basic_close_room(self, room: Any, namespace: str) -> None:
        for sid in list(self.rooms.get(namespace, {}).get(room, ())):
            self.basic_leave_room(sid, namespace, room)

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        member = self.find(sid, namespace)
        return [sid, *(member.rooms or ())] if member is not None else []

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **_kwargs: Any,
    ) -> None:
        """Encode once and write to each member; with a callback every member gets an id of its own."""
        arguments = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        skipped = set(skip_sid) if isinstance(skip_sid, (list, set, tuple)) else {skip_sid}
        members = [m for m in self.participants(namespace, to or room) if m.sid not in skipped and m.socket.alive]
        shared = None if callback else packets.encode_any(packets.EVENT, namespace, [event, *arguments])
        for member in members:
            ack_id = self._generate_ack_id(member.sid, callback) if callback else None
            text, attachments = shared or packets.encode_any(packets.EVENT, namespace, [event, *arguments], ack_id)
            send(member.socket, text, attachments)


def send(socket: Socket, text: bytes, attachments: list[bytes]) -> None:
    """A packet and what belongs to it, on whatever carries the session."""
    socket.wire.send(text)
    for attachment in attachments:
        socket.wire.send_binary(attachment)
