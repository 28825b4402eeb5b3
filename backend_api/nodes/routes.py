"""Where presence nodes say that they are alive (CONTRACT §2)."""

from backend_api.contract.sessions import LeaseAnswer, LeaseReport
from backend_api.nodes.store import NodeStore
from backend_api.service.access import internal
from backend_api.service.routes import RouteTable

table = RouteTable("nodes")


@table.post("/internal/v1/nodes", allow=(internal("sessions"),), summary="A presence node's lease")
async def renew_lease(*, body: LeaseReport, nodes: NodeStore) -> LeaseAnswer:
    return LeaseAnswer(report_open=await nodes.renew(body))
