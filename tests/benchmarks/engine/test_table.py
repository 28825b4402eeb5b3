"""The benchmark's table: what counts as met, and what is said where something was not run."""

from tests.benchmarks.engine.peers import BUN, NODE, OURS
from tests.benchmarks.engine.table import Bar, Found, Row, markdown

ROW = Row("cost_us", "cost, µs", "{:.1f}", (Bar(4), Bar(0.5, NODE), Bar(1.15, "", "alone_us")))


def test_a_bar_is_met_up_to_its_limit_and_missed_above():
    """The limit as it is, of a peer's figure, and of another figure of ours."""
    found = Found([OURS, NODE])
    found.add(OURS, {"cost_us": 4.0, "alone_us": 2.0})
    found.add(NODE, {"cost_us": 8.0})
    assert found.verdicts(ROW) == ["<= 4: 4.00 met", "<= 0.5 of Node: 0.50 met", "<= 1.15 of one alone: 2.00 MISSED"]


def test_without_our_figure_or_the_peers_there_is_no_verdict():
    """Never a bar that is met because nothing was measured."""
    found = Found([OURS, NODE])
    found.add(NODE, {"cost_us": 8.0})
    assert all(verdict.endswith(": not run") for verdict in found.verdicts(ROW))
    found.add(OURS, {"cost_us": 1.0})
    assert found.verdicts(ROW)[2] == "<= 1.15 of one alone: not run"


def test_a_figure_is_the_median_of_its_rounds():
    """One round that something else disturbed does not decide."""
    found = Found([OURS])
    for value in (1.0, 90.0, 2.0):
        found.add(OURS, {"cost_us": value})
    assert found.get(OURS, "cost_us") == 2.0


def test_the_page_gets_every_cell():
    """A dash where a server has no figure; one line for each row."""
    found = Found([OURS, BUN])
    found.add(OURS, {"cost_us": 1.0})
    lines = markdown(found, [Row("cost_us", "cost, µs", "{:.1f}", (Bar(4),))]).splitlines()
    assert lines[0] == "| figure | ours | Bun | bar: found |"
    assert lines[2] == "| cost, µs | 1.0 | - | <= 4: 1.00 met |"
