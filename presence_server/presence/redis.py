"""One of many processes, put together: what is counted here goes to Redis, what the others count comes from it.

Redis is never waited for on the way of a join. While it is gone, counts are this node's own and marked as degraded.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import structlog

from presence_server.clock import Clock
from presence_server.errors import Unreachable
from presence_server.history.rosters import Holder
from presence_server.presence.base import NO_MARKS, Announce
from presence_server.presence.beats import RETRY_SECONDS, Beats
from presence_server.presence.book import Book
from presence_server.presence.cleaning import Cleaning
from presence_server.presence.hearing import Hearing
from presence_server.presence.members import BEAT_SECONDS, Members, Reading
from presence_server.presence.publisher import Publisher
from presence_server.presence.state import SharedState
from presence_server.presence.store import Heard, Store
from presence_server.presence.uniques import Uniques
from presence_server.presence.wire import Change, Published, Snapshot
from presence_server.rooms import CountChange, Counts, RoomCounter

log = structlog.get_logger(__name__)

GRACE_SECONDS = 3.0
"""What the others had last is believed for so long after Redis is gone: most failures are shorter than that."""

SETTLED_SECONDS = 10.0
"""A room that could not be said for so long is not worth an old incarnation's life."""

JUDGE_SECONDS = 0.25
GOODBYE_SECONDS = 2.0
MINUTE_SECONDS = 60

StoreOf = Callable[[Heard, Callable[[list[str]], None], Callable[[str], None]], Store]
"""Makes the store, given who is told of changes, of subscriptions that were lost, and of a lost connection."""

Work = Callable[[], Coroutine[Any, Any, None]]

_DEGRADED: Mapping[str, object] = {"degraded": True}
_ESTIMATE: Mapping[str, object] = {"uniqueMode": "estimate"}
_ANNOUNCED_AT_ONCE, _BREATH_SECONDS = 200, 0.01


class RedisPresence:
    """The presence backend of a node among others."""

    def __init__(self, store: StoreOf, node: str, clock: Clock, counter: RoomCounter) -> None:
        self._clock = clock
        self._announce: Announce = _nobody
        self._now = asyncio.get_running_loop().time
        self._members = Members()
        self._state = SharedState(node, self._members)
        self._store = store(self._heard, self._deafened, self._broken)
        self._book = Book(counter.counts, counter.people)
        self._beats = Beats(node, self._members, self._store, clock.now, self._began, self._members_read)
        speaker, is_estimate = self._beats.speaker, self._state.is_estimate
        self._publisher = Publisher(self._book, self._store, speaker, is_estimate, self._published)
        self._hearing = Hearing(self._store, self._state, counter.__contains__, self._book.keeper, self._room_read)
        self._uniques = Uniques(node, self._book, self._state, self._store, speaker)
        self._cleaning = Cleaning(self._members, self._state, self._store, self._uniques.is_ours)
        self._gone_at: float | None = float("-inf")
        self._told_gone = True
        self._told_failing: frozenset[str] = frozenset()
        self._to_announce: dict[str, None] = {}
        self._announcing = asyncio.Event()

    # What the sockets' side says and asks

    def changed(self, change: CountChange) -> bool:
        room = change.counts.room
        if self._book.changed(room, change.person, came=change.step > 0):
            self._publisher.wake()
        self._hearing.hold(room)
        return self._is_known(room)

    def opening(self, room: str) -> Coroutine[Any, Any, None] | None:
        self._hearing.hold(room)
        return None if self._is_known(room) else self._hearing.warmed(room)

    def total(self, counts: Counts) -> Counts:
        others = self._state.others(counts.room)
        if not others.nodes or self._is_degraded(counts.room):
            return counts
        viewers = counts.viewer_count + others.connections
        # Redis counted the people it knew of; what has changed here since then is added.
        moved = counts.unique_viewers - self._book.people_said(counts.room)
        counted = counts.unique_viewers if others.unique is None else others.unique + moved
        unique = min(max(counted, counts.unique_viewers, others.people), viewers)
        active = min(counts.active_viewers + others.active, unique)
        return Counts(counts.room, viewers, unique, active, counts.seq)

    def marks(self, room: str) -> Mapping[str, object]:
        if self._is_degraded(room):
            return _DEGRADED
        return _ESTIMATE if self._state.others(room).is_estimate else NO_MARKS

    def roster(self, room: str, minute_at: int) -> Sequence[Holder]:
        ahead = self._clock.now() - self._now()
        found = self._state.roster(room, minute_at - ahead, minute_at - ahead + MINUTE_SECONDS)
        return [Holder(node, since + ahead, until + ahead) for node, since, until in found]

    async def trouble(self) -> str | None:
        if self._is_gone():
            return self._beats.trouble or "catching up"
        if self._beats.has_rival:
            return "another process has this node's name: every process needs a presence.node of its own"
        rooms, reason = len(self._not_shared()), self._store.complaints.last
        if not rooms and self._store.is_refused:
            return f"refused: {reason}"
        return f"{rooms} of {len(self._hearing)} rooms not shared: {reason}" if rooms else None

    def measures(self) -> Mapping[str, float]:
        return {
            "presence_redis_degraded": float(self._is_gone()),
            "presence_redis_members": float(len(self._members)),
            "presence_redis_incarnations": float(self._beats.incarnations),
            "presence_redis_rooms": float(len(self._hearing)),
            "presence_redis_rooms_not_shared": float(len(self._not_shared())),
        }

    def background(self, announce: Announce) -> list[Coroutine[Any, Any, None]]:
        self._announce = announce
        return [
            self._lasting(self._beats.run),
            self._lasting(self._publisher.run),
            self._lasting(self._hearing.run),
            self._lasting(self._uniques.run),
            self._lasting(self._cleaning.run),
            self._lasting(self._announce_for_ever),
            self._every(JUDGE_SECONDS, self._judge),
            self._every(1.0, self._tick),
            self._every(BEAT_SECONDS, self._prove),
        ]

    async def leave(self) -> None:
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._publisher.say()
                await self._beats.resign()
        except (TimeoutError, Unreachable):
            log.warning("redis_not_told_goodbye")
        await self._store.close()

    def _is_known(self, room: str) -> bool:
        return self._hearing.is_warm(room) or self._is_degraded(room)

    def _is_gone(self) -> bool:
        return self._gone_at is not None and self._now() - self._gone_at > GRACE_SECONDS

    def _is_degraded(self, room: str) -> bool:
        return self._is_gone() or self._hearing.cold_for(room) > GRACE_SECONDS or self._is_failing(room)

    def _is_failing(self, room: str) -> bool:
        since = self._book.failing.get(room)
        return since is not None and self._now() - since > GRACE_SECONDS

    def _not_shared(self) -> frozenset[str]:
        """The rooms that are degraded on their own account."""
        return self._failing() | self._hearing.cold_longer_than(GRACE_SECONDS)

    def _failing(self) -> frozenset[str]:
        return frozenset(filter(self._is_failing, self._book.failing))

    # What is done every now and then

    async def _every(self, seconds: float, work: Work) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._tried(work)

    async def _lasting(self, work: Work) -> None:
        """What shall never end. Sockets do not depend on what is shared, so a fault here must not end the program."""
        while True:
            await self._tried(work)
            await asyncio.sleep(RETRY_SECONDS)

    async def _tried(self, work: Work) -> None:
        try:
            await work()
        except Unreachable as error:
            self._beats.fence(error.reason)
        except Exception as error:
            self._store.complaints.note("sharing_failed", repr(error), error)
            self._beats.fence("a fault in this program: see its log")

    async def _judge(self) -> None:
        """Whether Redis is gone, and for how long; every room hears of it, and a room that is alone by itself does."""
        if self._beats.member and not self._publisher.is_behind:
            self._gone_at = None
        elif self._gone_at is None:
            self._gone_at = self._now()
        failing = self._failing()
        if self._is_gone() == self._told_gone:
            self._announce_soon(self._hearing.overdue(GRACE_SECONDS))
            self._announce_soon(failing ^ self._told_failing)
        else:
            self._told_gone = self._is_gone()
            if self._told_gone:
                log.warning("counts_are_local", reason=self._beats.trouble or "catching up")
            else:
                log.info("counts_are_shared")
            self._announce_soon(self._hearing)
        self._told_failing = failing

    async def _tick(self) -> None:
        if self._beats.speaker():
            await self._hearing.sweep()
            # The others believe what was said before, until they had time to notice that they hear no more of it.
            settled_at = self._now() - SETTLED_SECONDS
            if not self._publisher.is_behind and all(at < settled_at for at in self._book.failing.values()):
                await self._beats.retire()

    async def _prove(self) -> None:
        if self._beats.member:
            await self._store.prove()

    def _announce_soon(self, rooms: Iterable[str]) -> None:
        self._to_announce.update(dict.fromkeys(rooms))
        if self._to_announce:
            self._announcing.set()

    async def _announce_for_ever(self) -> None:
        """Many rooms at once are told in slices: other work goes on in between."""
        while True:
            await self._announcing.wait()
            self._announcing.clear()
            while self._to_announce:
                for room in list(self._to_announce)[:_ANNOUNCED_AT_ONCE]:
                    del self._to_announce[room]
                    self._announce(room)
                await asyncio.sleep(_BREATH_SECONDS)

    # What comes from Redis

    def _began(self) -> None:
        self._publisher.begin()

    def _broken(self, reason: str) -> None:
        self._beats.fence(reason)

    def _deafened(self, rooms: list[str]) -> None:
        self._hearing.deafen(rooms)

    def _members_read(self, reading: Reading) -> None:
        rooms = self._state.rooms_of(reading.came)
        now = self._now()
        for member in reading.gone:
            left = self._state.forget(member, self._members.left_at(member, now))
            self._cleaning.left(member, left)
            rooms |= left
        self._cleaning.read()
        for room in rooms:
            self._uniques.look(room)
        self._announce_soon(rooms)

    def _heard(self, room: str, change: Change) -> None:
        was_estimate = self._state.is_estimate(room)
        if change.member and change.member not in self._members:
            self._beats.look()
            self._cleaning.suspect(room, {change.member})
        if self._state.hear(room, change, self._now()):
            self._announce(room)
        self._recounted(room, was_estimate=was_estimate)

    def _published(self, room: str, published: Published) -> None:
        was_estimate, before = self._state.is_estimate(room), self._state.others(room)
        self._state.count(room, published)
        if self._state.others(room) != before:
            self._announce(room)
        self._recounted(room, was_estimate=was_estimate)

    def _room_read(self, room: str, snapshot: Snapshot, changed: bool) -> None:
        strangers = self._state.strangers(room)
        if strangers:
            self._beats.look()
            self._cleaning.suspect(room, strangers)
        if changed:
            self._announce(room)
        if not self._book.check(room, snapshot.members.get(self._book.keeper(room))):
            self._publisher.wake()
        self._recounted(room, was_estimate=False)

    def _recounted(self, room: str, *, was_estimate: bool) -> None:
        """The people are, or have to be, counted anew."""
        if was_estimate and not self._state.is_estimate(room) and room in self._book:
            self._book.repeat(room, in_full=True)
            self._publisher.wake()
        self._uniques.look(room)


def _nobody(room: str) -> None:
    """Nothing comes from Redis before the background runs."""
