"""The place of this node among the members: enrolled, beaten, given up when in doubt; and what it sees of the others.

There is one path for everything that may have gone wrong (a freeze, a false accusation, a flush, an empty restart, a
failover, a lost connection): the incarnation is thrown away and a new one says everything anew.
"""

import asyncio
from collections.abc import Callable

import structlog

from presence_server.errors import Unreachable
from presence_server.presence.members import BEAT_SECONDS, LATE_SECONDS, Members, Reading, next_inc
from presence_server.presence.store import Store
from presence_server.presence.wire import inc_of, node_of

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.5
LOOK_SECONDS = 0.1
"""A member that nobody here knows is looked up at once, but not more often than this."""


class Beats:
    """The incarnations of this node. `member` is the present one, empty while there is none.

    `began` and `read` are told, after the fact: of a new incarnation, of every successful read of the membership.
    """

    def __init__(
        self,
        node: str,
        members: Members,
        store: Store,
        unix: Callable[[], float],
        began: Callable[[], None],
        read: Callable[[Reading], None],
    ) -> None:
        self._node = node
        self._members = members
        self._store = store
        self._unix = unix
        self._began = began
        self._read = read
        self._last_inc = 0
        self._beaten_at = 0.0
        self._hurry = asyncio.Event()
        self._mine: set[str] = set()
        """Every incarnation that may still be a member, the present one too."""
        self.member = ""
        self.incarnations = 0
        self.trouble: str | None = "not connected yet"
        """Why this node is no member; None as long as it is one."""
        self.has_rival = False
        """Whether another process beats under this node's name."""

    def speaker(self) -> str:
        """As whom to speak now; empty where that is in doubt."""
        if self.member and self._now() - self._beaten_at > LATE_SECONDS:
            self.fence("no good beat in time")
        return self.member

    def fence(self, reason: str) -> None:
        """Throw the present incarnation away."""
        if self.member:
            log.warning("incarnation_given_up", member=self.member, reason=reason)
            self.member = ""
        self.trouble = reason
        self._hurry.set()

    def look(self) -> None:
        """Read the membership soon: somebody spoke who is not known."""
        self._hurry.set()

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            self._hurry.clear()
            try:
                await self._beat()
            except Unreachable as error:
                self._members.miss()
                self.fence(error.reason)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await asyncio.sleep(LOOK_SECONDS)
            if self.member:
                await self._rest(BEAT_SECONDS - LOOK_SECONDS)

    async def retire(self) -> None:
        """The present incarnation has said what it can: remove those before it. Raises Unreachable."""
        old = self._mine - {self.member}
        if old and self.member:
            await self._store.resign(old)
            self._mine -= old

    async def resign(self) -> None:
        """Leave, for the end of the program. Raises Unreachable."""
        self.member = ""
        if self._mine:
            await self._store.resign(self._mine)

    async def _beat(self) -> None:
        present = self.member
        member = present or await self._enrol()
        # What older ones said holds until the present one has said it; so they live on with it.
        counters = await self._store.beat(member, self._mine - {member})
        if counters is None:
            self._members.miss()
            self.fence("removed by another node, or forgotten by Redis")
        elif self.member == present:  # It may have been given up meanwhile.
            self._beaten_at = self._now()
            self._look_for_rivals(counters)
            if not present:
                self._begin(member, len(counters))
            reading = self._members.read(counters, self._now())
            self._read(reading)
            for silent, counter in reading.silent.items():
                log.warning("member_silent", member=silent)
                await self._store.accuse(silent, counter)

    async def _enrol(self) -> str:
        inc = next_inc(self._last_inc, self._unix())
        member = await self._store.enrol(self._node, inc, alone=not self.incarnations)
        self._last_inc = inc_of(member)
        self._mine.add(member)
        return member

    def _begin(self, member: str, members: int) -> None:
        self.member, self.trouble = member, None
        self.incarnations += 1
        log.info("enrolled", member=member, members=members)
        self._began()

    def _look_for_rivals(self, counters: dict[str, int]) -> None:
        self._mine.intersection_update(counters)
        # One that was enrolled and never beaten is ours as well: its answer was lost.
        rivals = (other for other, count in counters.items() if node_of(other) == self._node and count > 1)
        had_rival, self.has_rival = self.has_rival, any(other not in self._mine for other in rivals)
        if self.has_rival and not had_rival:
            log.error("node_name_taken", node=self._node, hint="every process needs a presence.node of its own")

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
