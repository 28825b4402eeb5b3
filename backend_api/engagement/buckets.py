"""What is open of a track, and how it is closed with what a recount found. Pure; the fields are told in `documents`.

A day that traffic has left is kept as one total and closed at once, or not at all. The days where traffic is are kept
by hour, so that an hour in which nothing has happened since is closed beside one that goes on and on.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from backend_api.engagement.documents import COUNTED, WHOLE, day_bucket, hour_bucket, hour_key
from backend_api.engagement.periods import Calendar, Slot

Totals = tuple[int, ...]
"""The sums COUNTED, in that order."""

HOURS = 24

NOTHING: Totals = (0,) * len(COUNTED)


class Bucket(NamedTuple):
    """An open hour or day. Of a day `hours` are to be recounted, None for all; of an hour `slices` have their marks."""

    mark: str
    since_at: float
    pending: Totals
    hours: frozenset[int] | None
    slices: Mapping[str, str]


class OpenTrack(NamedTuple):
    """A track of which something is open. Totals are by bucket; a day of `days` has no hours in `hours`."""

    track_id: str
    artists: frozenset[str]
    buckets: Mapping[str, Bucket]
    days: Mapping[str, Totals]
    hours: Mapping[str, Totals]
    closings: int | None
    likes_mark: str | None
    likes_version: int | None
    moved: str | None
    """Set while it has another artist and its days have not been marked for that."""

    def mark(self, bucket: str) -> str | None:
        return self.buckets[bucket].mark if bucket in self.buckets else None

    def open_days(self) -> list[date]:
        """The newest first."""
        return sorted({day_of(bucket) for bucket in self.buckets}, reverse=True)

    def slots(self, day: date, calendar: Calendar) -> list[Slot]:
        """The hours of a day that are to be recounted."""
        whole = self.buckets.get(day_bucket(day))
        named = frozenset() if whole is None else whole.hours
        every = calendar.slots_of(day)
        return every if named is None else [s for s in every if s.hour in named or hour_bucket(s) in self.buckets]

    def slice_marks(self, slot: Slot, number: int) -> tuple[str | None, ...]:
        """Whoever changes what is in a slice changes one of these."""
        hour, whole = self.buckets.get(hour_bucket(slot)), self.buckets.get(day_bucket(slot.day))
        slices = {} if hour is None else hour.slices
        of_day = whole is not None and (whole.hours is None or slot.hour in whole.hours)
        return whole.mark if whole and of_day else None, slices.get(WHOLE), slices.get(hour_key(number))

    def keeps_hours(self, day: date, today: date) -> bool:
        """Whether the day is one of those kept by hour."""
        key = day_bucket(day)
        return key not in self.days and (is_busy(day, today) or any(hour.startswith(key) for hour in self.hours))

    def expected(self, day: date) -> Totals:
        """What the counters say of a day: the totals of the last recount, and what came since."""
        key = day_bucket(day)
        pending = [bucket.pending for name, bucket in self.buckets.items() if day_of(name) == day]
        hours = [totals for name, totals in self.hours.items() if name.startswith(key)]
        return total([self.days.get(key, NOTHING), *hours, *pending])

    def expected_in(self, slot: Slot) -> int:
        """About how many events the counters say are in an hour, ends of plays not among them."""
        hour, day = hour_bucket(slot), day_bucket(slot.day)
        pending = {name: sum(self.buckets[name].pending) for name in (hour, day) if name in self.buckets}
        of_day = sum(self.days.get(day, NOTHING)) + pending.get(day, 0)
        return sum(self.hours.get(hour, NOTHING)) + pending.get(hour, 0) + of_day // HOURS


class DayClosing(NamedTuple):
    """What closes a day: the totals of the hours that were recounted, and of all of it where it is kept as one."""

    day: date
    hours: Mapping[str, Totals]
    whole: Totals | None

    @property
    def buckets(self) -> list[str]:
        return [day_bucket(self.day), *self.hours]

    def corrects(self, track: OpenTrack) -> bool:
        """Whether the counters said something else."""
        if self.whole is not None:
            return self.whole != track.expected(self.day)
        before = [track.hours.get(bucket, NOTHING) for bucket in self.hours]
        pending = [track.buckets[bucket].pending for bucket in self.buckets if bucket in track.buckets]
        return total(self.hours.values()) != total([*before, *pending])

    def unchanged(self, seen: OpenTrack, now: OpenTrack) -> "DayClosing | None":
        """What of it can still be closed after some of its buckets have been marked by somebody else."""
        return self.without(seen, {bucket for bucket in self.buckets if seen.mark(bucket) != now.mark(bucket)})

    def without(self, seen: OpenTrack, busy: Collection[str]) -> "DayClosing | None":
        """What of it can be closed beside buckets that cannot. Those are open, and will be recounted once more."""
        if not any(bucket in busy for bucket in self.buckets):
            return self
        day = day_bucket(self.day)
        if self.whole is not None or day in busy or (day in seen.buckets and any(seen.buckets[day].pending)):
            return None
        hours = {bucket: totals for bucket, totals in self.hours.items() if bucket not in busy}
        return self._replace(hours=hours) if hours or day in seen.buckets else None


def is_busy(day: date, today: date) -> bool:
    """Today and yesterday are where traffic is."""
    return day >= today - timedelta(days=1)


def day_of(bucket: str) -> date:
    return date.fromisoformat(bucket[:10])


def total(several: Iterable[Totals]) -> Totals:
    return tuple(sum(column) for column in zip(NOTHING, *several, strict=True))


def open_track(document: Mapping[str, Any]) -> OpenTrack:
    """What a track's document says."""
    artists = frozenset([*document.get("formerArtists", ()), *filter(None, [document.get("artistId")])])
    buckets = {name: _bucket(state) for name, state in document.get("open", {}).items()}
    days, hours = ({k: tuple(v) for k, v in document.get(kept, {}).items()} for kept in ("days", "hours"))
    likes = document.get("likes", {})
    return OpenTrack(
        document["_id"],
        artists,
        buckets,
        days,
        hours,
        document.get("closings"),
        likes.get("m"),
        likes.get("v"),
        document.get("moved"),
    )


def closing(track: OpenTrack, days: Iterable[DayClosing]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The update that closes days, and what must be so for it to be right: nobody marked them, nobody closed any."""
    seen: dict[str, Any] = {"_id": track.track_id, "closings": track.closings}
    kept: dict[str, Any] = {}
    gone: dict[str, Any] = {}
    for day in days:
        seen |= {f"open.{bucket}.m": track.mark(bucket) for bucket in day.buckets}
        gone |= {f"open.{bucket}": "" for bucket in day.buckets if bucket in track.buckets}
        if day.whole is None:
            totals = {f"hours.{bucket}": totals for bucket, totals in day.hours.items()}
        else:
            totals = {f"days.{day_bucket(day.day)}": day.whole}
        kept |= {name: list(numbers) for name, numbers in totals.items() if any(numbers)}
        gone |= {name: "" for name, numbers in totals.items() if not any(numbers)}
    change: dict[str, Any] = {"$inc": {"closings": 1}, "$unset": gone}
    return seen, change | {"$set": kept} if kept else change


def settling(track: OpenTrack, today: date, sealed_before: date) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The update that keeps days as one total which traffic has left, and adds up those that can change no more."""
    still = {day_bucket(day) for day in track.open_days()}
    left = {hour[:10] for hour in track.hours if not is_busy(day_of(hour), today)} - still
    over = {day for day in track.days if day < day_bucket(sealed_before)} - still
    if not left and not over:
        return None
    gone = {f"hours.{hour}": "" for hour in track.hours if hour[:10] in left} | {f"days.{day}": "" for day in over}
    whole = {f"days.{day}": list(track.expected(date.fromisoformat(day))) for day in left}
    more = zip(COUNTED, total(track.days[day] for day in over), strict=True)
    change: dict[str, Any] = {"$unset": gone, "$inc": {"closings": 1, **{f"sealed.{name}": n for name, n in more}}}
    return {"_id": track.track_id, "closings": track.closings}, change | {"$set": whole} if whole else change


def _bucket(state: Mapping[str, Any]) -> Bucket:
    hours = None if state.get("all") else frozenset(int(hour) for hour in state.get("h", ()))
    pending = tuple(state.get("n", {}).get(name, 0) for name in COUNTED)
    return Bucket(state["m"], state["at"], pending, hours, state.get("s", {}))
