"""Who is believed to have held a room in a minute, and in which slots they have to be heard. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple

from backend_api.contract.snapshots import SLOT_SECONDS, SLOTS_PER_MINUTE


class Holder(NamedTuple):
    """Another node that is believed to have held a room, from when to when (unix seconds) where the node is gone.

    One that is there speaks for itself, also of slots in which it did not hold the room.
    """

    node: str
    since: float = -inf
    until: float = inf


class Section(NamedTuple):
    """Slots from number `start` to before `end`, and the other nodes that may have held the room in them."""

    start: int
    end: int
    others: tuple[str, ...]


def sections(others: Sequence[Holder], minute_at: int) -> Iterator[Section]:
    """The minute, cut where nodes that are gone came or went.

    A slot more on either side: the news of a room take their time, and a dead node was seen to live before it died.
    """
    spans = {holder.node: _slots(holder, minute_at) for holder in others}
    edges = sorted({0, SLOTS_PER_MINUTE, *(edge for span in spans.values() for edge in span)})
    for start, end in pairwise(edges):
        yield Section(start, end, tuple(node for node, (first, last) in spans.items() if first <= start < last))


def _slots(holder: Holder, minute_at: int) -> tuple[int, int]:
    minute_end_at = minute_at + SLOT_SECONDS * SLOTS_PER_MINUTE
    since, until = max(holder.since, minute_at) - minute_at, min(holder.until, minute_end_at) - minute_at
    return max(0, int(since // SLOT_SECONDS) - 1), min(SLOTS_PER_MINUTE, int(until // SLOT_SECONDS) + 2)
