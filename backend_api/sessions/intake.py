"""Turns reported intervals into sessions. Each is judged alone; an invalid one is answered so and spoils nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter
from pydantic import Field, ValidationError, WrapValidator
from pydantic.functional_validators import ModelWrapValidatorHandler

from backend_api.contract.sessions import MAX_INTERVALS, IntervalReport, IntervalResult
from backend_api.contract.wire import Wire, at
from backend_api.sessions.lifecycle import Fact, Interval, Session
from backend_api.sessions.store import SessionStore

Describe = Callable[[IntervalReport], dict[str, str]]
"""What else is known from a report (device, country), as facts."""

AHEAD_SECONDS = 86_400.0
"""A clock may be wrong by hours; what is ahead by more is no time at all."""

_FACTS = {
    "user": "user_id",
    "listener": "listener_id",
    "channel": "channel_id",
    "stream": "stream_id",
    "show": "show_id",
    "call": "call_id",
    "link": "link_id",
}


class Refused(NamedTuple):
    """What came in the place of an interval, and what is wrong with it."""

    errors: list[str]


def _or_refused(value: Any, validate: ModelWrapValidatorHandler[IntervalReport]) -> IntervalReport | Refused:
    try:
        return validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return Refused([f"{'.'.join(map(str, item['loc']))}: {item['msg']}".removeprefix(": ") for item in found])


class IntervalBatch(Wire):
    """Intervals of any sessions."""

    intervals: Annotated[list[Annotated[IntervalReport, WrapValidator(_or_refused)]], Field(max_length=MAX_INTERVALS)]


class IntervalIntake:
    """The way in for intervals."""

    def __init__(
        self, store: SessionStore, describe: Describe, registry: CollectorRegistry, now: Callable[[], float]
    ) -> None:
        self._store, self._now = store, now
        self._describe = describe
        self._counter = Counter("session_intervals", "Intervals that arrived", ["kind", "status"], registry=registry)

    async def take(self, sent: Sequence[IntervalReport | Refused]) -> list[IntervalResult]:
        """What became of each, in order. Raises PyMongoError or Unavailable, and then all may be sent again."""
        latest = at(self._now() + AHEAD_SECONDS)
        sent = [_not_after(latest, item) for item in sent]
        reports = [item for item in sent if not isinstance(item, Refused)]
        await self._store.merge(session_of(report, self._describe(report)) for report in reports)
        for item in sent:
            self._counter.labels(*(("", "invalid") if isinstance(item, Refused) else (item.kind, "saved"))).inc()
        return [_result(item) for item in sent]


def _not_after(latest: datetime, item: IntervalReport | Refused) -> IntervalReport | Refused:
    if isinstance(item, Refused) or max(item.last_seen_at, item.closed_at or item.last_seen_at) <= latest:
        return item
    return Refused(["its times are more than a day ahead of this server: set the clock of the node"])


def session_of(report: IntervalReport, described: Mapping[str, str]) -> Session:
    """What a report says of its session, and what else is known from it."""
    said = {fact: getattr(report, name) for fact, name in _FACTS.items()} | dict(described)
    start_at = report.started_at.timestamp()
    facts = {fact: Fact(start_at, value) for fact, value in said.items() if value is not None}
    return Session(report.session_id, report.kind, (_interval(report),), facts)


def _interval(report: IntervalReport) -> Interval:
    return Interval(
        report.interval_id,
        report.node,
        report.boot,
        report.version,
        report.started_at.timestamp(),
        report.last_seen_at.timestamp(),
        None if report.closed_at is None else report.closed_at.timestamp(),
        report.reason,
        report.quality,
    )


def _result(item: IntervalReport | Refused) -> IntervalResult:
    if isinstance(item, Refused):
        return IntervalResult(status="invalid", errors=item.errors)
    return IntervalResult(status="saved")
