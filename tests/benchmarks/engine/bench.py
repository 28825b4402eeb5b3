"""The engine beside its peers: the same conversations with each, a row as soon as it is known, then the table."""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.benchmarks.engine.measure import FULL, QUICK, NotRun, Scale, fitting
from tests.benchmarks.engine.peers import Peer, build, install, peers
from tests.benchmarks.engine.steps import STEPS, Step
from tests.benchmarks.engine.table import ROWS, Found, Row, markdown
from tests.benchmarks.options import some_of


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fraction of the load, under two minutes")
    parser.add_argument("--install", action="store_true", help="first bring the JavaScript peers into var/cache/bench")
    servers, steps = [peer.name for peer in peers()], [step.name for step in STEPS]
    parser.add_argument("--only", type=some_of(servers), default=servers, help=f"servers to run: {','.join(servers)}")
    parser.add_argument("--steps", type=some_of(steps), default=steps, help=f"steps to run: {','.join(steps)}")
    parser.add_argument("--markdown", action="store_true", help="the table in Markdown on stdout, all else on stderr")
    options = parser.parse_args()
    console = Console(width=190, highlight=False, soft_wrap=True, stderr=options.markdown)
    why_not = build()
    if why_not:
        sys.exit(f"The load generator is a C program and {why_not}.")
    if options.install:
        install()
    scale = fitting(QUICK if options.quick else FULL, console.print)
    chosen = [peer for peer in peers() if peer.name in options.only]
    about = _about(scale, chosen)
    console.print("\n".join(about))
    found = Found([peer.name for peer in chosen])
    Bench(console, scale, chosen, found).run([step for step in STEPS if step.name in options.steps])
    rows = [row for row in ROWS if row.bars or any(found.get(server, row.key) is not None for server in found.servers)]
    if options.markdown:
        command = "scripts/bench --quick" if options.quick else "scripts/bench"
        print(
            f"`{command}`, " + "; ".join(about) + "; " + _load_averages("at the end") + ".\n\n" + markdown(found, rows)
        )
    else:
        console.print(_drawn(found, rows))
    _print_end(console, found)


class Bench:
    """One run over all steps; every step, every server's part of it and the whole have their time."""

    def __init__(self, console: Console, scale: Scale, servers: list[Peer], found: Found) -> None:
        self._console, self._scale, self._servers, self._found = console, scale, servers, found
        self._until = time.monotonic()  # of the step that runs

    def run(self, steps: list[Step]) -> None:
        columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
            bar = progress.add_task("", total=sum(len(self._whose(step)) for step in steps))
            for step in steps:
                self._until += step.share * self._scale.total_seconds
                keys: set[str] = set()
                for peer, is_extra in self._rounds(step):
                    progress.update(bar, description=f"{step.name}: {peer.name}")
                    keys |= self._measure(step, peer)
                    progress.advance(bar, 0 if is_extra else 1)
                for row in ROWS:
                    if row.key in keys:
                        self._print_row(row, progress.console.print)

    def _whose(self, step: Step) -> list[Peer]:
        return [peer for peer in self._servers if not step.whose or peer.name in step.whose]

    def _rounds(self, step: Step) -> Iterator[tuple[Peer, bool]]:
        """Every server once, then again, in turn, as long as the step's time allows; a figure is then a median."""
        start = time.monotonic()
        for number in range(self._scale.rounds):
            now = time.monotonic()
            if number and now + (now - start) / number > self._until:
                return
            for peer in self._whose(step):
                if not peer.missing and step.name not in self._found.missing[peer.name]:
                    yield peer, number > 0

    def _measure(self, step: Step, peer: Peer) -> set[str]:
        until = min(self._until, time.monotonic() + self._scale.part_seconds)
        try:
            return self._found.add(peer.name, step.measure(peer, self._scale, until))
        except (NotRun, OSError, BrokenPipeError) as why:
            self._found.missing[peer.name][step.name] = str(why)
            self._console.print(f"[yellow]{step.name}: {peer.name} not run: {why}[/]")
            return set()

    def _print_row(self, row: Row, say: Callable[[str], None]) -> None:
        cells = zip(self._found.servers, self._found.cells(row), strict=True)
        figures = "  ".join(f"{name} {cell}" for name, cell in cells if cell != "-")
        verdicts = "; ".join(self._found.verdicts(row))
        say(f"{row.title:<52} {figures}" + (f"  [bold]({verdicts})[/]" if verdicts else ""))


def _about(scale: Scale, servers: list[Peer]) -> list[str]:
    model = next((s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")), ": unknown")
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores of {model.partition(': ')[2]}, "
        f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}, {_load_averages('before')}",
        f"{scale.sockets:,} sockets, {scale.room:,} in the big room, server and load generator on a core each",
        *(f"{peer.name}: {'not run: ' + peer.missing if peer.missing else peer.version}" for peer in servers),
    ]


def _load_averages(when: str) -> str:
    return "load averages " + " ".join(f"{x:.1f}" for x in os.getloadavg()) + f" {when}"


def _drawn(found: Found, rows: list[Row]) -> Table:
    table = Table()
    for name in ("figure", *found.servers, "bar: found"):
        table.add_column(name, justify="left" if name in ("figure", "bar: found") else "right")
    for row in rows:
        table.add_row(row.title, *found.cells(row), "\n".join(found.verdicts(row)))
    return table


def _print_end(console: Console, found: Found) -> None:
    for server, steps in found.missing.items():
        for step, why in steps.items():
            console.print(f"{step}: {server} not run: {why}")
    console.print(f"CPU of the server's process; a figure is the median of its rounds; {_load_averages('at the end')}")


if __name__ == "__main__":
    main()
