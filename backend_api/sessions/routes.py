"""Where presence nodes report the intervals of sessions (CONTRACT §2)."""

from collections.abc import Sequence

from backend_api.contract.sessions import MAX_BATCH_BYTES, IntervalReport, IntervalResults
from backend_api.service.access import internal
from backend_api.service.routes import RouteTable
from backend_api.sessions.intake import IntervalBatch, IntervalIntake, Refused

table = RouteTable("sessions")


@table.post(
    "/internal/v1/sessions",
    allow=(internal("sessions"),),
    summary="Report up to 1,000 intervals of any sessions",
    max_body_bytes=MAX_BATCH_BYTES,
)
async def report_intervals(*, body: IntervalBatch, intake: IntervalIntake) -> IntervalResults:
    came: Sequence[IntervalReport | Refused] = body.intervals
    return IntervalResults(results=await intake.take(came))
