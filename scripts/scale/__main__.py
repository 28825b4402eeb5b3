"""`scripts/simulate_scale`: what sharing counts costs a large installation, on paper and by simulation, as a table."""

import argparse
import asyncio
import sys
from dataclasses import asdict
from textwrap import wrap

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.scale.costs import MEASURED_ON, UnitCosts
from scripts.scale.load import Load, Row, rows
from scripts.scale.measure import measured
from scripts.scale.model import expected, expected_storm
from scripts.scale.plan import HOLD_SECONDS, PERIOD_SECONDS, REFRESH_SECONDS, STORM_SECONDS, UPDATES_PER_SECOND, Plan
from scripts.scale.simulation import Simulation
from scripts.stack.processes import StackError


def main(argv: list[str] | None = None) -> int:
    """Exit 1 with one line where something cannot be measured."""
    options = _arguments(argv)
    plan = Plan(options.viewers, options.rooms, options.nodes, options.stay, options.zipf)
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        try:
            costs, where = _costs(progress, wanted=options.measure)
        except StackError as error:
            print(error, file=sys.stderr)
            return 1
        simulated, storm = _simulate(progress, plan, options.seed, options.seconds)
    found = (rows(plan, expected(plan), expected_storm(plan), costs), rows(plan, simulated, storm, costs))
    print("\n".join([*_table(*found), "", *_assumptions(plan, options), "", f"Unit costs ({where}):", *_listed(costs)]))
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/simulate_scale", description=__doc__)
    parser.add_argument("--viewers", type=_natural, default=1_000_000)
    parser.add_argument("--rooms", type=_natural, default=100_000)
    parser.add_argument("--nodes", type=_several, default=50, help="presence processes, two or more")
    parser.add_argument("--stay", type=_positive, default=600.0, help="seconds that a viewer stays, on average")
    parser.add_argument(
        "--zipf", type=_positive, default=1.0, help="the exponent: how much larger the larger rooms are"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=_positive, default=60.0, help="how long is simulated, beside a warm-up")
    parser.add_argument(
        "--measure", action="store_true", help=f"find the unit costs here first, instead of those of {MEASURED_ON}"
    )
    return parser.parse_args(argv)


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)


def _several(text: str) -> int:
    if _natural(text) < 2:
        raise argparse.ArgumentTypeError("must be 2 or more: one node shares with nobody")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return value


def _costs(progress: Progress, *, wanted: bool) -> tuple[UnitCosts, str]:
    """The unit costs, and where they come from."""
    if not wanted:
        return UnitCosts(), MEASURED_ON
    bar = progress.add_task("measuring", total=6)
    found = asyncio.run(measured(lambda step: progress.update(bar, description=f"measuring {step}", advance=1)))
    return UnitCosts().with_measured(found), "measured just now; those of viewers by the benchmark, earlier"


def _simulate(progress: Progress, plan: Plan, seed: int, seconds: float) -> tuple[Load, Load]:
    bar = progress.add_task("simulating", total=1.0)
    simulation = Simulation(plan, seed)
    steady = simulation.run(seconds, lambda done: progress.update(bar, completed=done))
    bar = progress.add_task("simulating a storm", total=1.0)
    storm = simulation.storm(lambda done: progress.update(bar, completed=done))
    progress.update(bar, completed=1.0)
    return steady, storm


def _table(paper: list[Row], simulated: list[Row]) -> list[str]:
    lines = ["| what | on paper | simulated | difference |", "|---|---:|---:|---:|"]
    for row, other in zip(paper, simulated, strict=True):
        difference = f"{100 * (other.value / row.value - 1):+.1f} %" if row.value else "-"
        unit = f" {row.unit}" if row.unit else ""
        lines.append(f"| {row.name} | {_figure(row.value)}{unit} | {_figure(other.value)}{unit} | {difference} |")
    return lines


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _assumptions(plan: Plan, options: argparse.Namespace) -> list[str]:
    largest = plan.sizes()[0]
    words = (
        f"Assumptions: {plan.viewers:,} viewers in {plan.rooms:,} rooms whose sizes follow Zipf's law with exponent "
        f"{plan.exponent:g} (the largest has {largest:,.0f}), on {plan.nodes} nodes; each in one room, on any node, "
        f"another person; they come independently and stay {plan.stay_seconds:g} s on average, exponentially. A node "
        f"says a room at most every {PERIOD_SECONDS:g} s, hears it for {HOLD_SECONDS:g} s after its last viewer, reads "
        f"it anew every {REFRESH_SECONDS:g} s; a room hears its count at most {UPDATES_PER_SECOND:g} times a "
        f"second; the viewers of a dead node are back on the others within {STORM_SECONDS:g} s; one Redis, no replica. "
        f"Simulated: {options.seconds:g} s, seed {options.seed}."
    )
    return wrap(words, 120)


def _listed(costs: UnitCosts) -> list[str]:
    return wrap(", ".join(f"{name} {value:g}" for name, value in asdict(costs).items()), 120)


if __name__ == "__main__":
    sys.exit(main())
