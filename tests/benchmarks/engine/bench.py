"""The engine beside its peers: runs each in turn under the same load and prints the table with its ratios."""

import argparse
import os
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.benchmarks.engine.measure import FULL, QUICK, STEPS, Figures, fitting, measure
from tests.benchmarks.engine.peers import BUN, FLOOR, NODE, OURS, UWS, build, install, peers
from tests.benchmarks.engine.tls import rss_per_socket_kib

ROWS = [
    ("RSS per idle socket, KiB", "rss_kib", "{:.1f}"),
    ("CPU per connect + join, µs", "connect_join_us", "{:.0f}"),
    ("... in a storm, 100 rooms, µs", "storm_us", "{:.0f}"),
    ("storm: all in, seconds", "storm_seconds", "{:.1f}"),
    ("CPU per delivery, big room, µs", "delivery_us", "{:.2f}"),
    ("disconnect, µs", "disconnect_us", "{:.0f}"),
    ("churn among the others, µs", "churn_us", "{:.0f}"),
    ("churn, 5 rooms of 1,000, µs", "few_rooms_us", "{:.0f}"),
    ("churn, 5 rooms of many, µs", "many_rooms_us", "{:.0f}"),
    ("idle, µs per socket second", "idle_us", "{:.2f}"),
    ("pings per CPU second", "pings_per_cpu_second", "{:.0f}"),
    ("update p50, ms", "p50_ms", "{:.1f}"),
    ("update p99, ms", "p99_ms", "{:.1f}"),
    ("idle probe p99, ms", "probe_p99_ms", "{:.1f}"),
    ("load per connect + join, µs", "load_connect_us", "{:.0f}"),
    ("load per delivery, µs", "load_delivery_us", "{:.2f}"),
    ("sockets not let in", "failed", "{:.0f}"),
]

# figure, bar, of whom (None: the bar is absolute)
BARS: list[tuple[str, float, str | None]] = [
    ("rss_kib", 4.0, None),
    ("rss_kib", 0.25, BUN),
    ("rss_kib", 0.25, NODE),
    ("connect_join_us", 1.0, BUN),
    ("connect_join_us", 0.5, NODE),
    ("storm_us", 0.6, NODE),
    ("storm_us", 0.9, BUN),
    ("delivery_us", 1.25, FLOOR),
    ("delivery_us", 1.0, UWS),
    ("delivery_us", 0.65, NODE),
    ("churn_us", 0.75, NODE),
    ("idle_us", 0.5, None),
    ("idle_us", 1 / 3, BUN),
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the load, under two minutes")
    parser.add_argument("--install", action="store_true", help="first bring the JavaScript peers into var/cache/bench")
    parser.add_argument("--only", help="names of the servers to run, with commas")
    options = parser.parse_args()
    console = Console(width=150)
    why_not = build()
    if why_not:
        sys.exit(f"The load generator is a C program and {why_not}.")
    if options.install:
        install()
    scale = fitting(QUICK if options.quick else FULL, console.print)
    chosen = [p for p in peers() if not options.only or p.name in options.only.split(",")]
    found: dict[str, Figures] = {}
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=STEPS * sum(not p.missing for p in chosen))
        for peer in chosen:
            progress.update(task, description=peer.name)
            if not peer.missing:
                found[peer.name] = measure(peer, scale, lambda: progress.advance(task))
    console.print(_table(found, [(p.name, p.missing or p.version) for p in chosen], scale.sockets))
    if OURS in found:
        found[OURS]["tls_kib"] = rss_per_socket_kib(200 if options.quick else 2_000)
        console.print(_ratios(found))
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    console.print(f"{os.cpu_count()} cores, load averages {load}: CPU of the server's process, one core each.")


def _table(found: dict[str, Figures], servers: list[tuple[str, str]], sockets: int) -> Table:
    table = Table(title=f"{sockets:,} sockets", show_lines=False)
    table.add_column("")
    for name, about in servers:
        table.add_column(f"{name}\n{about}" if name in found else f"{name}\nnot run: {about}", justify="right")
    for title, key, form in ROWS:
        cells = [form.format(found[name][key]) if key in found.get(name, {}) else "-" for name, _ in servers]
        table.add_row(title, *cells)
    return table


def _ratios(found: dict[str, Figures]) -> Table:
    titles = {key: title for title, key, _ in ROWS}
    table = Table(title="Bars")
    for column in ("figure", "of", "measured", "bar", ""):
        table.add_column(column)
    for key, bar, whose in BARS:
        base = 1.0 if whose is None else found.get(whose, {}).get(key, 0.0)
        if not base or key not in found[OURS]:
            table.add_row(titles[key], whose or "-", "not run", f"{bar:.2f}", "")
            continue
        ratio = found[OURS][key] / base
        table.add_row(titles[key], whose or "-", f"{ratio:.2f}", f"{bar:.2f}", "met" if ratio <= bar else "MISSED")
    flat = found[OURS]["many_rooms_us"] / found[OURS]["few_rooms_us"]
    table.add_row("churn with many rooms, of few", "-", f"{flat:.2f}", "flat", "met" if flat < 1.3 else "MISSED")
    delay = found[OURS]["p99_ms"] - found[OURS]["probe_p99_ms"]
    table.add_row("update p99 less idle probe, ms", "-", f"{delay:.1f}", "50.0", "met" if delay <= 50 else "MISSED")
    tls = found[OURS]["tls_kib"]
    table.add_row("RSS per socket with TLS, KiB", "-", f"{tls:.1f}", "32.0", "met" if tls <= 32 else "MISSED")
    return table


if __name__ == "__main__":
    main()
