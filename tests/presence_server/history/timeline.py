"""A room over several nodes as a script: samplers that live by their own clocks, and the truth beside them."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from backend_api.contract.snapshots import SLOT_SECONDS, Part
from backend_api.viewers.history import NodePart, Stretch, merge_minute, merge_slots, node_part
from presence_server.history.checkpoint import closed_record, levels_record, replay, rooms_record
from presence_server.history.rosters import Holder
from presence_server.history.sampler import Sampler, carried
from presence_server.history.windows import MINUTE_SECONDS, MinuteWindow, minute_of, slot_of

ROOM = "auction:demo"
START = 1_800_000_000 - 1_800_000_000 % 60

NEWS_SECONDS = 0.15
"""How long a change takes to be known elsewhere."""
DEATH_SECONDS = 13.0
"""How long after its death a node is still believed in."""
BEAT_SECONDS = 2.0
"""How long before its death a node that is found dead may have been seen last."""
EDGE_SECONDS = 2.0
"""What comes or goes so close to a minute's edge is in nobody's roster for it."""
HEARD_SECONDS = 60.0
"""How long after its last viewer a node still hears of the room."""
_TICK_LAG_SECONDS = 0.01


class Span(NamedTuple):
    """The room was held by a node from `start` to `end`, by the node's own clock, with so many connections."""

    start: float
    end: float
    level: int


class True_(NamedTuple):  # noqa: N801 - the name it deserves is taken
    """What really was in a slot: over the time that any node held the room, by the nodes' own clocks."""

    low: int
    peak: int
    last: int
    viewer_seconds: float
    held_seconds: float
    movers: int
    """How many nodes changed in it."""


class Holding:
    """A stretch in which the others believe that a node holds the room; `end` is known to them at `end_known`.

    From `gone_known` on they know that this life of the node is over.
    """

    def __init__(self, known: float) -> None:
        self.known = known
        self.end = self.end_known = self.gone_known = math.inf


class Node:
    """One node in all its lives: what the recorder does with a sampler, without its files."""

    def __init__(self, cluster: "Cluster", name: str, offset: float) -> None:
        self.cluster = cluster
        self.name = name
        self.offset = offset
        self.level = 0
        self.spans: list[Span] = []
        self.parts: list[Part] = []
        self.lost_parts: list[Part] = []
        self.holdings: list[Holding] = []
        self.heard: list[list[float]] = []
        """From when to when it hears of the room."""
        self._boot = 0
        self._unclean = False
        self._dead_since = 0.0
        self.stopped_at = 0
        self._since: float | None = None
        self.sampler: Sampler | None = None
        self.next_tick = 0.0

    @property
    def now(self) -> float:
        return self.cluster.now + self.offset

    @property
    def can_start(self) -> bool:
        """Nobody can know of a life that ended without a trace in the same slot."""
        return self.sampler is None and (self._unclean or slot_of(self._dead_since) < slot_of(self.now))

    @property
    def can_stop(self) -> bool:
        """A part does not say where in a slot a room was held that had nobody, had somebody and lost its node."""
        slot_at = slot_of(self.now) * SLOT_SECONDS
        levels = [span.level for span in self.true_spans() if span.end > slot_at]
        return not any(levels) or (levels[0] > 0 and self.true_spans()[-len(levels)].start <= slot_at)

    def start(self) -> None:
        self._boot += 1
        held_from = (slot_of(self.now) + 1) * float(SLOT_SECONDS) if self._unclean else self.now
        self.sampler = Sampler(self.name, self._boot, held_from)
        self._unclean = False
        self._covered_from = held_from
        self._records: dict[int, list[dict]] = {}
        self._plan_tick()

    def count(self, step: int) -> None:
        assert self.sampler is not None
        self._close_span()
        self.level += step
        self._since = self.now
        self.sampler.change(ROOM, self.level, 1 if step > 0 else -1, self.now)
        if step > 0 and self.level == step:
            self.holdings.append(Holding(self.cluster.now + NEWS_SECONDS))
            self.heard.append([self.cluster.now, math.inf])
        elif not self.level:
            self._holds_no_more(self.cluster.now + NEWS_SECONDS, self.cluster.now + NEWS_SECONDS)
            self.heard[-1][1] = self.cluster.now + HEARD_SECONDS

    def stop(self) -> None:
        """Everybody is counted out, a millisecond later the open minute is filed."""
        if self.level:
            self.count(-self.level)
            self.cluster.now += 0.001
        self._close_span()
        self._since = None
        assert self.sampler is not None
        self.parts += self.sampler.end(self.now, self.roster)
        self.stopped_at = minute_of(self.now)
        self._gone(self.cluster.now + NEWS_SECONDS)
        if self.heard:
            self.heard[-1][1] = min(self.heard[-1][1], self.cluster.now)
        self.sampler = None

    def kill(self, *, disk_kept: bool) -> None:
        self._close_span()
        if self.level:
            last_seen = max(self.cluster.now - BEAT_SECONDS, self.holdings[-1].known)
            self._holds_no_more(last_seen, self.cluster.now + DEATH_SECONDS)
            self.heard[-1][1] = self.cluster.now
        self._gone(self.cluster.now + DEATH_SECONDS)
        self.level, self._since, self.sampler = 0, None, None
        if disk_kept and self._records:
            self._unclean = True
            for minute_at, records in self._records.items():
                self.parts += self._replay(minute_at, records)
        else:
            self._dead_since = self.now
        self._note_unnoticed()

    def tick(self) -> None:
        assert self.sampler is not None
        sampler = self.sampler
        for slot, windows in sampler.closed_slots(self.now):
            if sampler.holds:
                minute_at = minute_of(slot * SLOT_SECONDS)
                records = self._records.setdefault(minute_at, [])
                records += [
                    rooms_record(carried(slot, windows)),
                    closed_record(slot % 12, sampler.here_from(minute_at)),
                ]
        sampler.turn(self.now)
        while windows := sampler.take_closed(100):
            for window in windows:
                self._file(window)
        self._plan_tick()

    def roster(self, _room: str, minute_at: int) -> list[Holder]:
        """The other nodes that this one believes to have held the room in that minute, by its own clock."""
        start, end = minute_at - self.offset, minute_at + MINUTE_SECONDS - self.offset
        found = []
        for node in self.cluster.nodes.values():
            spans = [self._span_of(one) for one in node.holdings if self._believes(one, start, end)]
            if node is not self and spans:
                found.append(Holder(node.name, min(since for since, _ in spans), max(until for _, until in spans)))
        return found

    def _span_of(self, holding: Holding) -> tuple[float, float]:
        if holding.gone_known > self.cluster.now:
            return -math.inf, math.inf
        return holding.known + self.offset, holding.end + self.offset

    def _gone(self, known: float) -> None:
        for holding in self.holdings:
            holding.gone_known = min(holding.gone_known, known)

    def _believes(self, holding: Holding, start: float, end: float) -> bool:
        now = self.cluster.now
        heard = [since for since, until in self.heard if since < holding.end_known and holding.known < until]
        if not heard or holding.known > now:
            return False
        known_end = holding.end if holding.end_known <= now else math.inf
        return max(holding.known, heard[0]) < end - EDGE_SECONDS and known_end > start + EDGE_SECONDS

    def _note_unnoticed(self) -> None:
        """What was only near the edges of a lost minute is in nobody's roster, nor is what was over before others came.

        What a dead node left names nobody.
        """
        minute_at = minute_of(self.now)
        deaths = self.cluster.deaths.setdefault(minute_at, set())
        deaths.add(self.name)
        if self.stopped_at == minute_at:
            deaths.add("the life that ended well before, and spoke for the rest of the minute")
        others = [node for node in self.cluster.nodes.values() if node is not self]
        was_heard = all(
            any(node._believes(holding, minute_at - 1.0, minute_at + MINUTE_SECONDS + 1.0) for node in others)
            for holding in self.holdings
            if minute_at - 1.0 < holding.end
        )
        if len(deaths) > 1 or not was_heard or (self.holdings and self.holdings[-1].known > self.cluster.now):
            self.cluster.unnoticed.add(minute_at)
        near = EDGE_SECONDS + BEAT_SECONDS + NEWS_SECONDS + abs(self.offset) + 0.5
        inside = Span(minute_at + near, minute_at + MINUTE_SECONDS - near, 0)
        if not any(span.start < inside.end and span.end > inside.start for span in self.true_spans()):
            self.cluster.unnoticed.add(minute_at)

    def _holds_no_more(self, end: float, known: float) -> None:
        self.holdings[-1].end, self.holdings[-1].end_known = end, known

    def true_spans(self) -> list[Span]:
        """The room is held on through the zeros of the minute in which it empties, and not over its end."""
        self._close_span()
        pieces = [piece for span in self.spans for piece in _by_minute(span)]
        held: list[Span] = []
        for span in pieces:
            if span.level or (
                held and held[-1].end == span.start and minute_of(held[-1].start) == minute_of(span.start)
            ):
                held.append(span)
        return held

    def _file(self, window: MinuteWindow) -> None:
        assert self.sampler is not None
        self.parts += window.parts(self.name, self._boot, others=self.roster(ROOM, window.minute_at))
        self._records.pop(window.minute_at, None)
        if window.level:
            next_at = window.minute_at + MINUTE_SECONDS
            self._records.setdefault(next_at, []).append(levels_record(next_at, {ROOM: window.level}))

    def _replay(self, minute_at: int, records: list[dict]) -> list[Part]:
        return replay([{"node": self.name, "boot": self._boot, "minute": minute_at}, *records])

    def _plan_tick(self) -> None:
        self.next_tick = (slot_of(self.now) + 1) * SLOT_SECONDS + _TICK_LAG_SECONDS - self.offset

    def _close_span(self) -> None:
        if self._since is not None:
            start = max(self._since, self._covered_from)
            if start < self.now:
                self.spans.append(Span(start, self.now, self.level))
            self._since = self.now


class Cluster:
    """Nodes, the time they share, and what the backend makes of their parts."""

    def __init__(self, **offsets: float) -> None:
        self.now = float(START)
        self.nodes = {name: Node(self, name, offset) for name, offset in offsets.items()}
        self.deaths: dict[int, set[str]] = {}
        self.unnoticed: set[int] = set()
        """Minutes of which something was lost that no roster can tell of."""

    def at(self, second: float) -> None:
        """Move to a second after the start; every tick on the way happens."""
        until = START + second
        while living := [node for node in self.nodes.values() if node.sampler and node.next_tick <= until]:
            node = min(living, key=lambda node: node.next_tick)
            self.now = max(self.now, node.next_tick)
            node.tick()
        self.now = max(self.now, until)

    def end(self) -> None:
        """Long after: all minutes are filed."""
        self.at(self.now - START + 61)

    def told(self, minute: int) -> list[NodePart]:
        """Every part of a minute that any node has filed, as the backend reads it."""
        parts = [part for node in self.nodes.values() for part in node.parts]
        checked = [Part.model_validate_json(part.model_dump_json(by_alias=True, exclude_none=True)) for part in parts]
        return [node_part(part) for part in checked if part.timestamp.timestamp() == START + 60 * minute]

    def minute(self, number: int) -> Stretch:
        return merge_minute(START + 60 * number, self.told(number))

    def slots(self, number: int) -> dict[int, Stretch]:
        return merge_slots(START + 60 * number, self.told(number))

    def truth(self, minute: int, slot: int) -> True_ | None:
        """What really was in a slot; None where no node held the room."""
        start = START + 60.0 * minute + SLOT_SECONDS * slot
        spans = {name: list(_within(node.true_spans(), start)) for name, node in self.nodes.items()}
        edges = sorted({edge for own in spans.values() for span in own for edge in (span.start, span.end)})
        moments = [
            (b - a, [span.level for own in spans.values() for span in own if span.start <= a < span.end])
            for a, b in pairwise(edges)
        ]
        levels = [(seconds, sum(here)) for seconds, here in moments if here]
        if not levels:
            return None
        return True_(
            min(level for _, level in levels),
            max(level for _, level in levels),
            levels[-1][1],
            sum(seconds * level for seconds, level in levels),
            sum(seconds for seconds, _ in levels),
            sum(len(own) > 1 or bool(own and own[0].end - own[0].start < SLOT_SECONDS) for own in spans.values()),
        )


def _within(spans: list[Span], start: float) -> Iterator[Span]:
    end = start + SLOT_SECONDS
    for span in spans:
        if span.start < end and span.end > start:
            yield Span(max(span.start, start), min(span.end, end), span.level)


def _by_minute(span: Span) -> Iterator[Span]:
    start = span.start
    while start < span.end:
        end = min(span.end, float(minute_of(start) + MINUTE_SECONDS))
        yield Span(start, end, span.level)
        start = end
