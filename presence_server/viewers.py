"""The default namespace: pages that are counted in rooms, and pages that only watch them.

Turns what clients send into acts on the RoomCounter and refuses what the contract does. Handlers are plain functions
that finish at once; only a token whose key has to be fetched makes a connect wait.
"""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from backend_api.contract.rooms import is_public, is_room
from backend_api.contract.wire import at as moment
from backend_api.contract.wire import rfc3339
from backend_api.service.tokens import Claims
from presence_server.auth import Gate, Person
from presence_server.clock import Clock
from presence_server.config import LimitSettings
from presence_server.door import FrontDoor
from presence_server.engine import Engine
from presence_server.errors import ConnectionRefused, Refused
from presence_server.expiries import Expiries
from presence_server.limits import Pace
from presence_server.presence.base import PresenceBackend
from presence_server.rooms import CountChange, Counts, RoomCounter

Ack = dict[str, object]
Act = Callable[["_Viewer", str], CountChange | None]

UPDATE_EVENT = "viewerCountUpdate"


class Rules(NamedTuple):
    """What holds for every socket."""

    limits: LimitSettings
    public_kinds: frozenset[str]


class _Viewer:
    """A connected socket of the namespace."""

    __slots__ = ("claims", "connection")

    def __init__(self, connection: str, claims: Claims | None) -> None:
        self.connection = connection
        self.claims = claims


class Viewers:
    """The sockets of the namespace and what they may do. `changed` hears every change of a count, after the fact."""

    def __init__(
        self,
        counter: RoomCounter,
        shared: PresenceBackend,
        engine: Engine,
        door: FrontDoor,
        gate: Gate,
        rules: Rules,
        clock: Clock,
        epoch: Callable[[], str],
        changed: Callable[[CountChange], None],
    ) -> None:
        self._counter = counter
        self._shared = shared
        self._engine = engine
        self._door = door
        self._gate = gate
        self._rules = rules
        self._clock = clock
        self._epoch = epoch
        self._changed = changed
        self._expiries = Expiries()
        self._viewers: dict[str, _Viewer] = {}

    def connect(self, sid: str, auth: object) -> Coroutine[Any, Any, None] | None:
        """Let a socket in, at once or by the coroutine that is given back. Raises ConnectionRefused, either way."""
        connection = self._engine.connection_of(sid)
        if self._door.is_beyond(connection):
            raise ConnectionRefused("too_many_sockets", "Too many connections from this address.")
        person = self._gate.admit(auth, connection)
        if not isinstance(person, Person):
            return self._connect_later(sid, connection, person)
        self._enter(sid, connection, person)
        return None

    async def _connect_later(self, sid: str, connection: str, waiting: Coroutine[Any, Any, Person]) -> None:
        person = await waiting
        # The client may have gone meanwhile, and its disconnect with it: nobody would ever count it out.
        if self._engine.is_open(connection):
            self._enter(sid, connection, person)

    def _enter(self, sid: str, connection: str, person: Person) -> None:
        self._counter.connect(connection, person.viewer_id)
        self._viewers[sid] = _Viewer(connection, person.claims)
        if person.claims is not None:
            self._expiries.add(sid, person.claims.exp_at)

    def disconnect(self, sid: str) -> None:
        """Count a socket out of all its rooms."""
        viewer = self._viewers.pop(sid, None)
        if viewer is None:
            return
        if viewer.claims is not None:
            self._expiries.remove(sid, viewer.claims.exp_at)
        for change in self._counter.disconnect(viewer.connection):
            self._changed(change)

    def join(self, sid: str, arguments: tuple[object, ...]) -> Ack | Coroutine[Any, Any, Ack]:
        """Count a socket in; only the answer may have to wait, where nobody here knows the room yet."""
        return self._opened(self._answer(sid, arguments, self._join))

    def leave(self, sid: str, arguments: tuple[object, ...]) -> Ack:
        return self._answer(sid, arguments, lambda viewer, room: self._counter.leave(viewer.connection, room))

    def watch(self, sid: str, arguments: tuple[object, ...]) -> Ack | Coroutine[Any, Any, Ack]:
        """As `join`, without being counted."""
        return self._opened(self._answer(sid, arguments, self._watch))

    def unwatch(self, sid: str, arguments: tuple[object, ...]) -> Ack:
        return self._answer(sid, arguments, lambda viewer, room: self._counter.unwatch(viewer.connection, room))

    def active(self, sid: str, arguments: tuple[object, ...]) -> None:
        """Note whether the tab is visible; anything but a boolean is passed over.

        A client in a hurry is heard all the same, until it floods: only the last state is true, and it has no ack.
        """
        viewer = self._viewers.get(sid)
        if viewer is None or self._pace(viewer) is Pace.FLOOD:
            return
        match arguments:
            case [{"active": bool(active)}, *_]:
                for change in self._counter.set_active(viewer.connection, active):
                    self._changed(change)

    def announce(self, room: str) -> None:
        """Tell everybody who hears the room its newest count."""
        audience = self._counter.audience(room)
        if audience:
            counts = self._shared.total(self._counter.counts(room))
            details = {**self._figures(counts), "ts": rfc3339(moment(self._clock.now()))}
            self._engine.fanout.send(audience, UPDATE_EVENT, counts.viewer_count, details, topic=room)

    def close_expired(self) -> None:
        """End the sockets whose token has expired."""
        for sid in self._expiries.take_due(self._clock.now()):
            self._engine.disconnect(sid)

    def __len__(self) -> int:
        return len(self._viewers)

    def _answer(self, sid: str, arguments: tuple[object, ...], act: Act) -> Ack:
        try:
            viewer = self._viewers.get(sid)
            if viewer is None:
                raise Refused("bad_request", "Not connected.")
            if self._pace(viewer) is not Pace.OK:
                raise Refused("slow_down", "Too many events; wait a moment.")
            room = _room_of(arguments)
            change = act(viewer, room)
        except Refused as refused:
            return {"ok": False, "error": {"code": refused.code, "message": refused.message}}
        if change is not None:
            self._changed(change)
        return self._as_it_is(room)

    def _opened(self, answer: Ack) -> Ack | Coroutine[Any, Any, Ack]:
        """The answer, or what to await for a better one."""
        room = answer.get("room")
        if not isinstance(room, str) or (opening := self._shared.opening(room)) is None:
            return answer
        return self._answer_later(room, opening)

    async def _answer_later(self, room: str, opening: Coroutine[Any, Any, None]) -> Ack:
        await opening
        return self._as_it_is(room)

    def _as_it_is(self, room: str) -> Ack:
        return {"ok": True, **self._figures(self._shared.total(self._counter.counts(room)))}

    def _join(self, viewer: _Viewer, room: str) -> CountChange | None:
        self._check(viewer, room)
        return self._counter.join(viewer.connection, room)

    def _watch(self, viewer: _Viewer, room: str) -> None:
        self._check(viewer, room)
        self._counter.watch(viewer.connection, room)

    def _check(self, viewer: _Viewer, room: str) -> None:
        claims = viewer.claims
        allowed = claims is not None and (claims.is_admin or claims.owns(room))
        if not allowed and not is_public(room, self._rules.public_kinds):
            raise Refused("forbidden", "This room needs a token that allows it.")
        held = self._counter.holds(viewer.connection, room)
        if not held and self._counter.rooms_of(viewer.connection) >= self._rules.limits.rooms_per_socket:
            raise Refused("too_many_rooms", f"A socket may be in {self._rules.limits.rooms_per_socket} rooms.")

    def _pace(self, viewer: _Viewer) -> Pace:
        pace = self._door.pace(viewer.connection)
        if pace is Pace.FLOOD:
            self._engine.expel(viewer.connection)
        return pace

    def _figures(self, counts: Counts) -> Ack:
        figures: Ack = {
            "room": counts.room,
            "viewerCount": counts.viewer_count,
            "uniqueViewers": counts.unique_viewers,
            "activeViewers": counts.active_viewers,
            "epoch": self._epoch(),
            "seq": counts.seq,
        }
        marks = self._shared.marks(counts.room)
        return {**figures, **marks} if marks else figures


def _room_of(arguments: tuple[object, ...]) -> str:
    """The room that an event's first argument names, as `{room}` or `{auctionId}`. Raises Refused."""
    match arguments:
        case [{"room": str(room)}, *_]:
            pass
        case [{"auctionId": str(auction), **others}, *_] if "room" not in others:
            room = f"auction:{auction}"
        case _:
            raise Refused("bad_request", "Send an object with a room or an auctionId.")
    if not is_room(room):
        raise Refused("bad_room", "A room is kind:id.")
    return room
