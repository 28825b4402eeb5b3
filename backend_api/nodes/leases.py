"""Leases of presence nodes as plain data: who is alive, and through when reports are complete. No I/O."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from backend_api.contract.sessions import LEASE_SILENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Lease:
    """What one boot of a node said last, by its clock, and when that arrived, by the backend's."""

    node: str
    boot: int
    at: float
    complete_through: float
    received_at: float
    skew_seconds: float = 0.0
    """How far the node's clock is ahead of the backend's; 0 where that may as well be the network's delay."""


class Leases:
    """All known leases. A lease is silent by the backend's clock, and not while the backend itself was not up."""

    def __init__(self, leases: Iterable[Lease] = (), *, up_since: float = 0.0) -> None:
        self._leases = {(lease.node, lease.boot): lease for lease in leases}
        self._up_since = up_since
        self._newest: dict[str, int] = {}
        for node, boot in self._leases:
            self._newest[node] = max(boot, self._newest.get(node, boot))

    def is_alive(self, node: str, boot: int, now: float) -> bool:
        """Not silent for too long, and no later boot of the node has spoken."""
        lease = self._leases.get((node, boot))
        return lease is not None and self._newest[node] == boot and self._is_heard(lease, now)

    def last_at(self, node: str, boot: int) -> float:
        """The node's own time of its last lease; minus infinity when it never sent one."""
        lease = self._leases.get((node, boot))
        return lease.at if lease is not None else -math.inf

    def skew_seconds(self, node: str, boot: int) -> float:
        """How far this boot's clock is ahead of the backend's, as far as anybody can tell."""
        lease = self._leases.get((node, boot))
        return lease.skew_seconds if lease is not None else 0.0

    def complete_through(self, now: float) -> float:
        """Every report of anything before this has arrived; minus infinity when no node is alive to say so."""
        alive = [lease for lease in self._leases.values() if self.is_alive(lease.node, lease.boot, now)]
        return min((lease.complete_through for lease in alive), default=-math.inf)

    def census(self, now: float) -> tuple[int, int]:
        """How many nodes are alive, and how many are known that are not."""
        alive = {node for node, boot in self._leases if self.is_alive(node, boot, now)}
        return len(alive), len(self._newest) - len(alive)

    def _is_heard(self, lease: Lease, now: float) -> bool:
        return now - max(lease.received_at, self._up_since) <= LEASE_SILENCE_SECONDS
