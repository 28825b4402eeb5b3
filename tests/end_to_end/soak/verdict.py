"""Whether a soak was flat: compares the beginning of the churn with its end. Pure."""

from statistics import median

from tests.end_to_end.soak.server import Figures
from tests.end_to_end.soak.soak import Plan, Result

MEMORY_GROWTH = 0.02
"""Of the resident memory, from the first third of the churn to the last: an allocator's breath, not a leak's."""
HTTP_DESCRIPTORS = 8
"""The looks' own connections and the backend's."""


def failures(plan: Plan, result: Result) -> list[str]:
    """What did not hold; empty where all did."""
    third = max(1, len(result.looks) // 3)
    first = [figures for _, figures in result.looks[:third]]
    last = [figures for _, figures in result.looks[-third:]]
    found = []
    grown = _median(last, "memory_kib") / _median(first, "memory_kib") - 1
    if grown > MEMORY_GROWTH:
        found.append(f"memory grew by {grown:.1%} from the first third of the churn to the last")
    if (tasks := _median(last, "tasks") - _median(first, "tasks")) > 2:
        found.append(f"tasks grew by {tasks:g}")
    waiting = plan.churn_per_second * (sum(plan.ping_seconds) + 2)
    if (most := max(figures.descriptors for _, figures in result.looks)) > plan.sockets + waiting + 100:
        found.append(f"{most} descriptors for {plan.sockets} sockets")
    if result.after.descriptors > result.before.descriptors + HTTP_DESCRIPTORS:
        found.append(f"{result.after.descriptors} descriptors at the end, {result.before.descriptors} at the start")
    if result.after.tasks > result.before.tasks:
        found.append(f"{result.after.tasks} tasks at the end, {result.before.tasks} at the start")
    if result.after.connections:
        found.append(f"{result.after.connections} sockets at the end")
    if result.wrong or result.lost:
        found.append(f"{result.wrong} rooms counted wrongly, {result.lost} viewers lost")
    return found


def _median(looks: list[Figures], name: str) -> float:
    return median(getattr(figures, name) for figures in looks)
