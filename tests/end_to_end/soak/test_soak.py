"""The short form of `scripts/soak`."""

from tests.end_to_end.soak.server import Figures
from tests.end_to_end.soak.soak import Plan, Result, soak
from tests.end_to_end.soak.verdict import failures


async def test_a_crowd_that_comes_and_goes_leaves_nothing_behind(tmp_path):
    """300 sockets, 50 replaced a second: every count is the truth, and tasks and descriptors return to their base."""
    plan = Plan(sockets=300, rooms=20, churn_per_second=50, seconds=6, look_seconds=0.5, ping_seconds=(1.0, 1.0))
    result = await soak(plan, tmp_path, lambda _at, _figures: None)
    assert result.replaced >= 250
    assert {figures.rooms for _, figures in result.looks} == {20}
    assert [failure for failure in failures(plan, result) if not failure.startswith("memory")] == []


def test_what_grows_is_named():
    """Memory, tasks, descriptors, sockets and counts, each in a line of its own."""
    plan = Plan(sockets=10, rooms=1, churn_per_second=1, seconds=60, look_seconds=10)
    calm = Figures(memory_kib=1000, descriptors=20, tasks=5, connections=10, rooms=1)
    grown = Figures(memory_kib=1100, descriptors=900, tasks=50, connections=10, rooms=1)
    looks = [(float(at), calm if at < 3 else grown) for at in range(6)]
    assert failures(plan, Result(calm, [(0.0, calm)] * 3, 0, 0, 60, calm._replace(connections=0))) == []
    named = failures(plan, Result(calm, looks, 2, 1, 60, grown))
    assert [line.split()[0] for line in named] == ["memory", "tasks", "900", "900", "50", "10", "2"]
