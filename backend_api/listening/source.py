"""Reads the sessions of a channel, or of a user, as rows."""

from backend_api.contract.sessions import TIMINGS
from backend_api.listening.rows import NOT_NEEDED, Row, row_of, row_of_record
from backend_api.sessions.store import SessionStore

MAX_SECONDS = TIMINGS["listening"].max_seconds or 0.0


class Source:
    """Where reports get their rows from. Ranges are read by index, with what began before and may reach into them."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def rows(self, channel: str, start_at: float, end_at: float) -> list[Row]:
        """Ended and active sessions that may have time in the range."""
        return await self.rows_by("channel", channel, start_at, end_at)

    async def live(self, channel: str) -> list[Row]:
        """The sessions that no sweep has ended yet, as they are now."""
        return [row_of_record(record) for record in await self._store.active("listening", channel=channel)]

    async def ended(self, channel: str, start_at: float, end_at: float) -> list[Row]:
        """Ended sessions that may have time in the range."""
        return await self._ended("channel", channel, start_at, end_at)

    async def rows_by(self, fact: str, value: str, start_at: float, end_at: float) -> list[Row]:
        """As `rows`, by any fact that has an index."""
        # Live first: a session that ends in between is then seen twice, never not at all.
        live = await self._store.active("listening", **{fact: value})
        ended = await self._ended(fact, value, start_at, end_at)
        known = {row.id for row in ended}
        return [*ended, *(row_of_record(record) for record in live if record.session.id not in known)]

    async def latest(
        self,
        fact: str,
        value: str,
        start_at: float,
        end_at: float,
        limit: int,
        status: str,
        before: tuple[float, str] | None,
    ) -> list[Row]:
        """The sessions that began in the range, at most `limit`, latest first, those that sort before `before`."""
        live = [row_of_record(record) for record in await self._store.active("listening", **{fact: value})]
        ended: list[Row] = []
        if status != "active":
            until = end_at if before is None else min(end_at, before[0])
            kept = await self._store.latest(
                "listening", fact, value, start_at, until, limit, status=None if status == "all" else status,
                before=before, without=NOT_NEEDED,
            )  # fmt: skip
            ended = [row_of(document) for document in kept]
        known = {row.id for row in ended}
        fresh = [row for row in live if row.id not in known and start_at <= row.start_at < end_at]
        wanted = [row for row in (*ended, *fresh) if status in ("all", row.status)]
        return sorted(
            (row for row in wanted if before is None or (row.start_at, row.id) < before),
            key=lambda row: (row.start_at, row.id),
            reverse=True,
        )[:limit]

    async def _ended(self, fact: str, value: str, start_at: float, end_at: float) -> list[Row]:
        kept = await self._store.ended("listening", fact, value, start_at - MAX_SECONDS, end_at, without=NOT_NEEDED)
        return [row_of(document) for document in kept]
