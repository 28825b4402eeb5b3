"""Which rooms this node hears: from the first connection that joins or watches one to a minute after the last.

A room is cold until the server has confirmed its subscription and it was read once after that; one whose subscription
is lost is cold again. Each is read again every minute: pub/sub is a hint, the hash is right. A room that cannot be
heard keeps none of the others.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from presence_server.errors import Unreachable
from presence_server.presence.aside import Aside
from presence_server.presence.state import SharedState
from presence_server.presence.store import Store
from presence_server.presence.wire import Snapshot

WARM_SECONDS = 0.25
"""How long somebody waits at most to hear what a room has elsewhere."""

HOLD_SECONDS = 65.0
"""How long a room that emptied is heard still: its minute has to be over and filed before its roster is forgotten."""

REFRESH_SECONDS = 60.0

_AT_ONCE = 500


class _Heard:
    __slots__ = ("cold_since", "is_overdue", "waiting")

    def __init__(self, now: float) -> None:
        self.cold_since: float | None = now
        self.is_overdue = False
        self.waiting: list[asyncio.Future[None]] = []


class Hearing:
    """The rooms that are heard. `is_here` says which are still wanted.

    `read` is told of every room that was read, what was found, and whether it may look different now; `keeper` says
    as whom this node spoke of a room, so that it lives on.
    """

    def __init__(
        self,
        store: Store,
        state: SharedState,
        is_here: Callable[[str], bool],
        keeper: Callable[[str], str],
        read: Callable[[str, Snapshot, bool], None],
    ) -> None:
        self._store = store
        self._state = state
        self._is_here = is_here
        self._keeper = keeper
        self._read = read
        self._left: dict[str, float] = {}
        self._rooms: dict[str, _Heard] = {}
        self._cold: dict[str, None] = {}
        self._to_warm: dict[str, None] = {}
        """Those of the cold ones whose turn it is; the others failed, and are aside."""
        self._aside = Aside()
        self._round: list[str] = []
        self._round_at, self._share = self._now(), 0
        self._wake = asyncio.Event()

    def hold(self, room: str) -> None:
        """Hear the room from now on."""
        if room not in self._rooms:
            self._rooms[room] = _Heard(self._now())
            self._state.open(room)
            self._cool(room)
            self._wake.set()

    def is_warm(self, room: str) -> bool:
        heard = self._rooms.get(room)
        return heard is not None and heard.cold_since is None

    def cold_for(self, room: str) -> float:
        """For how many seconds the room has been cold; 0 of a warm one."""
        heard = self._rooms.get(room)
        return 0.0 if heard is None or heard.cold_since is None else self._now() - heard.cold_since

    async def warmed(self, room: str) -> None:
        """Wait until the room is warm, but not for long."""
        heard = self._rooms.get(room)
        if heard is None or heard.cold_since is None:
            return
        waiting = asyncio.get_running_loop().create_future()
        heard.waiting.append(waiting)
        await asyncio.wait([waiting], timeout=WARM_SECONDS)

    def deafen(self, rooms: Iterable[str]) -> None:
        """The subscriptions of these rooms were lost."""
        for room in rooms:
            heard = self._rooms.get(room)
            if heard is not None:
                self._state.doubt(room)
                self._cool(room)
                if heard.cold_since is None:
                    heard.cold_since = self._now()
        self._wake.set()

    async def run(self) -> None:
        """Warm what is cold, for ever."""
        while True:
            await self._woken()
            self._to_warm.update(dict.fromkeys(self._aside.ripe(self._now(), _AT_ONCE)))
            while self._to_warm:
                rooms = list(islice(self._to_warm, _AT_ONCE))
                for room in rooms:
                    del self._to_warm[room]
                await self._warm([room for room in rooms if room in self._cold])

    async def sweep(self) -> None:
        """Once a second: let go of rooms that nobody wants, and read a sixtieth of the others."""
        now = self._now()
        gone = self._let_go(now)
        if gone:
            await self._store.ignore(gone)
        if not self._round and now - self._round_at >= REFRESH_SECONDS:
            self._round, self._round_at = list(self._rooms), now
            self._share = -(-len(self._round) // int(REFRESH_SECONDS))
        some, self._round = self._round[: self._share], self._round[self._share :]
        warm = {room: self._keeper(room) for room in some if self.is_warm(room)}
        if warm:
            done = self._take(warm, await self._store.refresh(warm), warming=False)
            self.deafen(warm.keys() - done)

    def overdue(self, seconds: float) -> list[str]:
        """Rooms that have by now been cold for so long, each once."""
        before, found = self._now() - seconds, []
        for room in self._cold:
            heard = self._rooms[room]
            was, heard.is_overdue = heard.is_overdue, heard.cold_since is not None and heard.cold_since < before
            if heard.is_overdue and not was:
                found.append(room)
        return found

    def cold_longer_than(self, seconds: float) -> set[str]:
        """Rooms that have been cold for so long."""
        return {room for room in self._cold if self.cold_for(room) > seconds}

    def __contains__(self, room: str) -> bool:
        return room in self._rooms

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._rooms))

    def __len__(self) -> int:
        return len(self._rooms)

    def _let_go(self, now: float) -> list[str]:
        self._left = {room: self._left.get(room, now) for room in self._rooms if not self._is_here(room)}
        gone = [room for room, left_at in self._left.items() if now - left_at >= HOLD_SECONDS]
        for room in gone:
            del self._rooms[room]
            self._cold.pop(room, None)
            self._state.close(room)
        return gone

    async def _woken(self) -> None:
        """Wait until a room is cold, or is to be tried again."""
        try:
            async with asyncio.timeout_at(self._aside.next_at):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _cool(self, room: str) -> None:
        self._cold[room] = self._to_warm[room] = None

    async def _warm(self, rooms: list[str]) -> None:
        """Subscribe and read; what fails is cold still, and tried again."""
        try:
            confirmed = await self._store.listen(rooms)
            heard = [room for room in rooms if room in confirmed]
            self._take(heard, await self._store.read(heard), warming=True)
        except Unreachable:
            pass
        finally:
            now = self._now()
            for room in rooms:
                if room in self._cold and room not in self._to_warm:
                    self._aside.put(room, now, now - self.cold_for(room))

    def _take(self, rooms: Iterable[str], snapshots: Iterable[Snapshot | None], *, warming: bool) -> set[str]:
        """Take in what was read; the rooms that were."""
        done = set()
        for room, snapshot in zip(rooms, snapshots, strict=True):
            heard = self._rooms.get(room)
            if snapshot is not None and heard is not None:
                done.add(room)
                changed = self._state.read(room, snapshot, self._now())
                # Its subscription may have been lost meanwhile.
                is_warmed = warming and room not in self._to_warm
                if is_warmed:
                    self._make_warm(room, heard)
                self._read(room, snapshot, changed or is_warmed)
        return done

    def _make_warm(self, room: str, heard: _Heard) -> None:
        heard.cold_since = None
        self._cold.pop(room, None)
        waiting, heard.waiting = heard.waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
