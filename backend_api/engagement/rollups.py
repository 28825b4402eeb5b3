"""Figures of a stretch of time: counted from raw events once, and merged ever after. Pure.

Merging is commutative and associative, and everything that must be exact is an integer: durations in milliseconds,
completion in hundredths of a per cent. Averages are kept as sum and number, people as a set (`uniques`).
"""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from operator import itemgetter
from typing import Any, NamedTuple, Self

from backend_api.engagement.events import completion_of, is_skipped
from backend_api.uniques import HASH_SPACE, People

Raw = Mapping[str, Any]
"""A stored event (see `documents`). Its time is UTC without saying so, or those of all it is counted with say so."""

END_EARLY_SECONDS = 300
END_LATE_SECONDS = 86_400
"""How far before (clocks differ) and after its play an end is taken for that play's."""
EXACT_SECONDS = 60
"""How exact the time between a play and its end is: they may have come in batches of which each had its way."""
MAX_TRACKS = 2_000
"""How many tracks a group's breakdown names: those played most."""


class Sums(NamedTuple):
    """What simply adds up. `ended` are the plays whose end is known, `completions` those of known track length, too."""

    plays: int = 0
    likes: int = 0
    unlikes: int = 0
    saves: int = 0
    unsaves: int = 0
    shares: int = 0
    downloads: int = 0
    ended: int = 0
    duration_ms: int = 0
    completions: int = 0
    completion_parts: int = 0
    skipped: int = 0
    replayed: int = 0

    @classmethod
    def total(cls, several: Iterable["Sums"]) -> Self:
        return cls(*(sum(column) for column in zip(*several, strict=True)))

    def without(self, other: "Sums") -> "Sums":
        """What is left of each, at least nothing."""
        return Sums(*(max(0, mine - theirs) for mine, theirs in zip(self, other, strict=True)))


class Recent(NamedTuple):
    """An event as the dashboard lists it; `at_ms` is Unix milliseconds."""

    at_ms: int
    event_id: str
    track_id: str
    source: str
    country: str | None


class Figures(NamedTuple):
    """All that is known of a stretch. `sources`, `countries` and `tracks` break down plays, `platforms` shares."""

    sums: Sums = Sums()
    sources: Mapping[str, int] = {}
    platforms: Mapping[str, int] = {}
    countries: Mapping[str, int] = {}
    tracks: Mapping[str, int] = {}
    people: People = People()
    last_plays: Sequence[Recent] = ()
    last_likes: Sequence[Recent] = ()

    @classmethod
    def merged(cls, several: Iterable["Figures"]) -> Self:
        """The figures of all of them together; people who are in several count once."""
        parts = list(several)
        return cls(
            Sums.total(part.sums for part in parts) if parts else Sums(),
            _added(part.sources for part in parts),
            _added(part.platforms for part in parts),
            _added(part.countries for part in parts),
            dict(_added(part.tracks for part in parts).most_common(MAX_TRACKS)),
            People.merged(part.people for part in parts),
            newest(10, (recent for part in parts for recent in part.last_plays)),
            newest(5, (recent for part in parts for recent in part.last_likes)),
        )

    @property
    def is_empty(self) -> bool:
        return not any(self.sums)

    def of_track(self, track_id: str) -> "Figures":
        """The same as a part of a group, whose plays are broken down by track."""
        return self._replace(tracks={track_id: self.sums.plays} if self.sums.plays else {})


class Piece(NamedTuple):
    """The figures of one hour, day or month, or of a part of an hour; `start_at` is Unix seconds."""

    start_at: float
    figures: Figures


EndOf = Callable[[Raw], Raw | None]
"""The end of a play; None where nothing is known of it, or where the play has no id to be known by."""


class Ends:
    """Which end belongs to a play: of the same visit, if there is one, the earliest that lies near enough."""

    def __init__(self, ends: Iterable[Raw] = ()) -> None:
        self._ends: dict[tuple[str | None, ...], list[Raw]] = defaultdict(list)
        self._added: deque[Raw] = deque()
        self.add(ends)

    def add(self, ends: Iterable[Raw]) -> None:
        """More of them, later ones than before."""
        for end in sorted((end for end in ends if end.get("uncounted") is None), key=_WHEN):
            self._added.append(end)
            for key in _keys_of(end):
                self._ends[key].append(end)

    def forget_before(self, at: float) -> None:
        """Those before a time are needed no longer."""
        first = moment_of(at)
        while self._added and self._added[0]["timestamp"] < first:
            for key in _keys_of(self._added.popleft()):
                del self._ends[key][0]
                if not self._ends[key]:
                    del self._ends[key]

    def of(self, play: Raw) -> Raw | None:
        return self.of_visit(play) or self._of(play, (play["trackId"], play.get("playId")))

    def of_visit(self, play: Raw) -> Raw | None:
        """Only of the same visit."""
        return self._of(play, (play["trackId"], play.get("playId"), play["sessionId"]))

    def _of(self, play: Raw, key: tuple[str | None, ...]) -> Raw | None:
        ends = self._ends.get(key)
        return None if ends is None else _nearest(ends, play["timestamp"])


def happened_at(event: Raw) -> float:
    """Unix seconds."""
    moment: datetime = event["timestamp"]
    return moment.replace(tzinfo=UTC).timestamp()


def moment_of(at: float) -> datetime:
    """Unix seconds as raw events are read with: UTC without saying so."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def count(events: Iterable[Raw], end_of: EndOf) -> Figures:
    """The figures of raw events other than ends."""
    by_kind: dict[str, list[Raw]] = defaultdict(list)
    for event in events:
        if event.get("uncounted") is None:
            by_kind[event.get("action", event["type"])].append(event)
    plays, likes, shares = by_kind["play"], by_kind["like"], by_kind["share"]
    return Figures(
        _play_sums(plays, end_of)._replace(
            plays=len(plays),
            likes=len(likes),
            unlikes=len(by_kind["unlike"]),
            saves=len(by_kind["save"]),
            unsaves=len(by_kind["unsave"]),
            shares=len(shares),
            downloads=len(by_kind["download"]),
        ),
        Counter(map(itemgetter("source"), plays)),
        Counter(map(itemgetter("platform"), shares)),
        Counter(play["country"] for play in plays if play.get("country")),
        {},
        People.of(set(map(itemgetter("person"), plays))),
        _latest(10, plays),
        _latest(5, likes),
    )


def ratio(part: float, whole: int, digits: int) -> float | None:
    """None where there is nothing to divide by."""
    return round(part / whole, digits) if whole else None


def newest(number: int, recents: Iterable[Recent]) -> list[Recent]:
    return nlargest(number, set(recents))


def to_document(figures: Figures) -> dict[str, Any]:
    """What merging needs, as BSON. Breakdowns are lists of pairs, for their keys may hold dots."""
    return {
        "sums": list(figures.sums),
        **{name: [list(pair) for pair in sorted(getattr(figures, name).items())] for name in _BREAKDOWNS},
        "people": figures.people.pack(),
        **({} if figures.people.is_exact else {"bound": figures.people.bound}),
        **{name: [list(recent) for recent in getattr(figures, name)] for name in _LISTS},
    }


def from_document(document: Mapping[str, Any]) -> Figures:
    """Of a document that was read without some of its fields, those are empty."""
    sources, platforms, countries, tracks = (dict(document.get(name, ())) for name in _BREAKDOWNS)
    people = People.unpack(document.get("people", b""), document.get("bound", HASH_SPACE))
    plays, likes = ([Recent(*recent) for recent in document.get(name, ())] for name in _LISTS)
    return Figures(Sums(*document["sums"]), sources, platforms, countries, tracks, people, plays, likes)


_BREAKDOWNS = ("sources", "platforms", "countries", "tracks")
_LISTS = ("last_plays", "last_likes")
_AT, _WHEN = itemgetter("timestamp"), itemgetter("timestamp", "_id")
_EARLY, _LATE = timedelta(seconds=END_EARLY_SECONDS), timedelta(seconds=END_LATE_SECONDS)


def _added(breakdowns: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for breakdown in breakdowns:
        total.update(breakdown)
    return total


def _keys_of(end: Raw) -> tuple[tuple[str | None, ...], ...]:
    track, play_id = end["trackId"], end["playId"]
    return (track, play_id), (track, play_id, end["sessionId"])


def _nearest(ends: Sequence[Raw], at: datetime) -> Raw | None:
    place = bisect_left(ends, at - _EARLY, key=_AT)
    return ends[place] if place < len(ends) and _AT(ends[place]) <= at + _LATE else None


def _play_sums(plays: Iterable[Raw], end_of: EndOf) -> Sums:
    ended = duration_ms = completions = completion_parts = skipped = replayed = 0
    for play in plays:
        end = end_of(play) or play
        replayed += bool(play.get("replayed") or end.get("replayed"))
        if (heard := _heard(play, end)) is not None:
            duration, is_skip, completion = heard
            ended += 1
            duration_ms += round(duration * 1_000)
            skipped += is_skip
            if completion is not None:
                completions += 1
                completion_parts += round(completion * 100)
    return Sums(
        ended=ended,
        duration_ms=duration_ms,
        completions=completions,
        completion_parts=completion_parts,
        skipped=skipped,
        replayed=replayed,
    )


def _heard(play: Raw, end: Raw) -> tuple[float, bool, float | None] | None:
    """Seconds, whether that is a skip, completion in per cent; None for a play whose end does not say.

    What a page says is believed as far as it is possible: nothing is heard for longer than since it began.
    """
    duration = end.get("duration")
    if duration is None:
        return None
    if end is not play:
        most = max(0.0, (end["timestamp"] - play["timestamp"]).total_seconds()) + EXACT_SECONDS
        if duration > most:
            return most, is_skipped(most), completion_of(most, end.get("trackDuration"))
    return duration, end["skipped"], end.get("completionRate")


def _latest(number: int, events: Sequence[Raw]) -> list[Recent]:
    """The newest ones, as `newest` orders them: of two of one millisecond the greater id.

    They are mostly the last ones, which are looked at first, so that hardly any is replaced by a newer one.
    """
    return [_recent(event) for event in nlargest(number, reversed(events), key=_WHEN)]


def _recent(event: Raw) -> Recent:
    at_ms = round(happened_at(event) * 1_000)
    return Recent(at_ms, event["_id"], event["trackId"], event["source"], event.get("country"))
