"""`scripts/soak`: a crowd comes and goes; exit code 1 where memory, tasks, descriptors or counts were not right."""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.end_to_end.soak.server import Figures
from tests.end_to_end.soak.soak import Plan, Result, soak
from tests.end_to_end.soak.verdict import failures

HEADING = f"{'seconds':>8} {'memory KiB':>11} {'descriptors':>12} {'tasks':>6} {'sockets':>8} {'rooms':>6}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--sockets", type=int, default=10_000, metavar="N", help="held at any time (10000)")
    parser.add_argument("--rooms", type=int, default=100, metavar="N", help="they are spread over (100)")
    parser.add_argument("--churn", type=float, default=50.0, metavar="N", help="sockets replaced a second (50)")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N", help="of churn (10)")
    parser.add_argument("--look", type=float, default=30.0, metavar="SECONDS", help="between two looks (30)")
    options = parser.parse_args()
    for name in ("sockets", "rooms", "churn", "minutes", "look"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name} must be above 0")
    return options


def _as_many_as_allowed(sockets: int) -> int:
    """Both ends need a descriptor for each; fewer sockets where the limit of this machine is lower, said aloud."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    possible = sockets if hard == resource.RLIM_INFINITY else min(sockets, hard - 500)
    if possible < sockets:
        print(f"{possible} sockets instead of {sockets}: the limit of open files is {hard}")
    return possible


def _print_look(seconds: float, figures: Figures) -> None:
    memory, descriptors, tasks, connections, rooms = figures
    print(f"{seconds:>8.0f} {memory:>11} {descriptors:>12} {tasks:>6} {connections:>8} {rooms:>6}", flush=True)


def _report(plan: Plan, result: Result) -> int:
    print("at rest, before and after:")
    _print_look(0, result.before)
    _print_look(plan.seconds, result.after)
    print(f"{result.replaced} sockets replaced; {result.wrong} rooms counted wrongly, {result.lost} viewers lost")
    found = failures(plan, result)
    print("\n".join(f"FAILED: {failure}" for failure in found) or "Flat: memory, tasks, descriptors; counts exact.")
    return 1 if found else 0


def main() -> int:
    options = _arguments()
    sockets = _as_many_as_allowed(options.sockets)
    plan = Plan(sockets, options.rooms, options.churn, options.minutes * 60, options.look)
    print(f"{sockets} sockets in {plan.rooms} rooms, {options.churn:g} replaced a second, {options.minutes:g} minutes")
    print(HEADING, flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        result = uvloop.run(soak(plan, Path(folder), _print_look))
    return _report(plan, result)


sys.exit(main())
