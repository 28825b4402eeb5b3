"""Reads a user's or a call's study sessions: what was measured, laid beside what the provider said."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

from backend_api.sessions.documents import Record, session_of, verdict_of
from backend_api.sessions.store import SessionStore
from backend_api.study.calls import LONGEST_SECONDS, CallSpan, Facts, Stay, spans_of_call, stays_in
from backend_api.study.matching import Measured
from backend_api.study.rows import Row, id_of_stay, rows
from backend_api.study.store import StudyStore


class ToldCall(NamedTuple):
    """What the provider says of a call: when it was on, and whom it saw there."""

    spans: list[CallSpan]
    users: frozenset[str]


class StudyReading:
    """A call's short id is the one without the default type."""

    def __init__(
        self, sessions: SessionStore, store: StudyStore, call_type: str, zone: ZoneInfo, now: Callable[[], float]
    ) -> None:
        self._sessions, self._store, self._prefix = sessions, store, f"{call_type}:"
        self.zone, self._now = zone, now

    def short(self, call_id: str) -> str:
        return call_id.removeprefix(self._prefix)

    async def told(self, since: Mapping[str, float]) -> dict[str, ToldCall]:
        """What is known of calls, by their short ids, from what was heard of each of them since its time."""
        found = await self._store.sessions_of(since)
        return {call_id: self._told(known) for call_id, known in found.items()}

    async def of_user(self, user_id: str, start_at: float, end_at: float) -> list[Row]:
        """A user's sessions that lie in the range, at least in part."""
        return [row for row in await self._of_user(user_id, start_at, end_at) if row.lies_in(start_at, end_at)]

    async def of_call(self, call_id: str, start_at: float, end_at: float) -> tuple[list[Row], ToldCall]:
        """Everybody's sessions in a call, and what the provider says of it."""
        short, early = self.short(call_id), start_at - LONGEST_SECONDS
        measured: list[Record] = []
        for form in {short, short if ":" in short else self._prefix + short}:
            measured += await self._measured("call", form, early, end_at)
        known = (await self._store.sessions_of({short: early}))[short]
        found = await self._rows(measured, {short: stays_in(known)})
        return [row for row in found if row.lies_in(start_at, end_at)], self._told(known)

    async def recent(self, user_id: str, call_id: str) -> list[Record]:
        """The user's sessions in a call that began within a day, the latest first."""
        found = await self._measured("user", user_id, self._now() - LONGEST_SECONDS, self._now() + 1)
        mine = [record for record in found if self.short(record.session.fact("call") or "") == call_id]
        return sorted(mine, key=lambda record: (record.session.started_at, record.session.id), reverse=True)

    async def row(self, record: Record) -> Row:
        """One session of ours, as it stands among the user's others."""
        end_at = self._now() if record.verdict.end_at is None else record.verdict.end_at
        found = await self._of_user(record.session.fact("user") or "", record.session.started_at, end_at + 1, record)
        return next(row for row in found if row.id == record.session.id)

    async def row_of_stay(self, call_id: str, stay: Stay) -> Row | None:
        """The session that begins with this stay of the provider's, if it is known to the provider alone."""
        end_at = (self._now() if stay.end is None else stay.end) + 1
        found = [row for row in await self._of_user(stay.user_id, stay.start, end_at) if row.call_id == call_id]
        return next((row for row in found if id_of_stay(call_id, stay) in row.told_ids), None)

    async def _of_user(self, user_id: str, start_at: float, end_at: float, also: Record | None = None) -> list[Row]:
        early = start_at - LONGEST_SECONDS
        measured = await self._measured("user", user_id, early, end_at)
        if also is not None:
            measured = [also, *(record for record in measured if record.session.id != also.session.id)]
        known: dict[str, list[Facts]] = defaultdict(list)
        for call in await self._store.calls_of(user_id, early):
            known[call.call_id].append(call.facts.of(user_id))
        return await self._rows(measured, {call_id: stays_in(sessions) for call_id, sessions in known.items()})

    async def _rows(self, measured: Iterable[Record], calls: dict[str, list[Stay]]) -> list[Row]:
        mine = [self._shaped(record) for record in measured]
        told = [id_of_stay(call_id, stay) for call_id, found in calls.items() for stay in found]
        manual = await self._store.corrections([*(session.id for session in mine), *told])
        return rows(mine, calls, manual, self._now())

    async def _measured(self, fact: str, value: str, start_at: float, end_at: float) -> list[Record]:
        """Active ones are read first: one that ends meanwhile is then in both, not in neither."""
        active = {record.session.id: record for record in await self._sessions.active("study", **{fact: value})}
        kept = await self._sessions.ended("study", fact, value, start_at, end_at)
        ended = {document["_id"]: Record(session_of(document), verdict_of(document)) for document in kept}
        return list((ended | active).values())

    def _shaped(self, record: Record) -> Measured:
        session, verdict = record
        return Measured(
            session.id,
            session.fact("user") or "",
            self.short(session.fact("call") or ""),
            session.started_at,
            verdict.end_at,
            verdict.pieces,
            fell_silent=verdict.status == "timeout",
        )

    def _told(self, known: list[Facts]) -> ToldCall:
        spans = [span for facts in known for span in spans_of_call(facts, self._now())]
        return ToldCall(sorted(spans, key=lambda span: span[0]), frozenset().union(*(facts.users for facts in known)))
