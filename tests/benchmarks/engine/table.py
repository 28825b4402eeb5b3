"""The table: which figures, which bars they are held to, and how both are printed."""

from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

from tests.benchmarks.engine.peers import BUN, FLOOR, NODE, OURS, UWS


class Bar(NamedTuple):
    """At most `limit`: as it is, or times a peer's figure, or times another figure of ours."""

    limit: float
    peer: str = ""
    figure: str = ""


class Row(NamedTuple):
    """A figure, its name in the table, its form, its bars."""

    key: str
    title: str
    form: str = "{:.0f}"
    bars: tuple[Bar, ...] = ()


ROWS = [
    Row("rss_kib", "RSS per idle joined socket, KiB", "{:.1f}", (Bar(4), Bar(0.25, BUN), Bar(0.25, NODE))),
    Row("idle_us", "idle cost per socket and second, µs", "{:.2f}", (Bar(0.5), Bar(1 / 3, BUN))),
    Row("pings_per_cpu_second", "pings per CPU second"),
    Row("connect_us", "CPU per connect + join, µs", "{:.0f}", (Bar(1, BUN), Bar(0.5, NODE))),
    Row("churn_us", "disconnect + connect + join among all others, µs", "{:.0f}", (Bar(0.75, NODE),)),
    Row("disconnect_us", "disconnect alone, µs"),
    Row("load_connect_us", "the load generator's own, per connect + join, µs"),
    Row("failed", "sockets that were not let in"),
    Row("storm_us", "connect + join in a storm, 100 rooms hear of it, µs", "{:.0f}", (Bar(0.6, NODE), Bar(0.9, BUN))),
    Row("storm_seconds", "... until all are in, seconds", "{:.1f}"),
    Row("storm_updates", "... updates heard per join", "{:.1f}"),
    Row("storm_failed", "... sockets that were not let in"),
    Row("few_rooms_us", "churn with 5 rooms each of 1,000, µs"),
    Row("many_rooms_us", "churn with 5 rooms each of many, µs", "{:.0f}", (Bar(1.3, "", "few_rooms_us"),)),
    Row(
        "delivery_us",
        "CPU per delivered update, one big room, µs",
        "{:.2f}",
        (Bar(1.25, FLOOR), Bar(1, UWS), Bar(0.65, NODE)),
    ),
    Row("load_delivery_us", "the load generator's own, per delivery, µs", "{:.2f}"),
    Row("delay_p500_ms", "delay of an update, ten a second: p50, ms", "{:.2f}"),
    Row("delay_p900_ms", "... p90, ms", "{:.2f}"),
    Row("delay_p990_ms", "... p99, ms", "{:.2f}"),
    Row("delay_p1000_ms", "... longest, ms", "{:.2f}"),
    Row("delay_samples", "... samples"),
    Row("probe_p500_ms", "idle probe in between: p50, ms", "{:.2f}"),
    Row("probe_p990_ms", "... p99, ms", "{:.2f}"),
    Row("probe_p1000_ms", "... longest, ms", "{:.2f}"),
    Row("probe_samples", "... samples"),
    Row("delay_ms", "p99 of an update less the idle probe's, ms", "{:.2f}", (Bar(50),)),
    Row("delay_load_share", "the load generator's share of its core meanwhile, %"),
    Row("tls_kib", "RSS per socket with TLS, KiB", "{:.1f}", (Bar(32),)),
    Row("alone_join_us", "one process alone: connect + join, warm room, updates apart, µs", "{:.1f}"),
    Row(
        "shared_join_us",
        "two over Redis: connect + join, warm room, updates apart, µs",
        "{:.1f}",
        (Bar(1.15, "", "alone_join_us"),),
    ),
    Row("alone_cold_us", "one process alone: connect + join, cold room, updates apart, µs", "{:.1f}"),
    Row("shared_cold_us", "two over Redis: connect + join, cold room, updates apart, µs", "{:.1f}"),
    Row("alone_delivery_us", "one process alone: per delivery, µs", "{:.2f}"),
    Row("shared_delivery_us", "two over Redis: per delivery, µs", "{:.2f}", (Bar(1.15, "", "alone_delivery_us"),)),
]


class Found:
    """The figures of every server, of one or more rounds; a figure is their median."""

    def __init__(self, servers: list[str]) -> None:
        self.servers = servers
        self._values: dict[tuple[str, str], list[float]] = {}
        self.missing: dict[str, dict[str, str]] = {name: {} for name in servers}  # server -> step -> why

    def add(self, server: str, figures: Mapping[str, float]) -> set[str]:
        """Take a round's figures; which they were."""
        for key, value in figures.items():
            self._values.setdefault((server, key), []).append(value)
        return set(figures)

    def get(self, server: str, key: str) -> float | None:
        values = self._values.get((server, key))
        return median(values) if values else None

    def cells(self, row: Row) -> list[str]:
        values = [self.get(server, row.key) for server in self.servers]
        return ["-" if value is None else row.form.format(value) for value in values]

    def verdicts(self, row: Row) -> list[str]:
        """Each bar: what was allowed, what was found."""
        return [self._verdict(row, bar) for bar in row.bars]

    def _verdict(self, row: Row, bar: Bar) -> str:
        whose = f" of {bar.peer}" if bar.peer else " of that with few" if bar.figure == "few_rooms_us" else ""
        whose = " of one alone" if bar.figure.startswith("alone") else whose
        base = 1.0 if not bar.peer and not bar.figure else self.get(bar.peer or OURS, bar.figure or row.key)
        own = self.get(OURS, row.key)
        asked = f"<= {bar.limit:.2f}".rstrip("0").rstrip(".") + whose
        if own is None or not base:
            return f"{asked}: not run"
        ratio = own / base
        return f"{asked}: {ratio:.2f} {'met' if ratio <= bar.limit else 'MISSED'}"


def markdown(found: Found, rows: list[Row]) -> str:
    """The whole as a Markdown table."""
    lines = [["figure", *found.servers, "bar: found"], ["---", *["---:"] * len(found.servers), "---"]]
    lines += [[row.title, *found.cells(row), "<br>".join(found.verdicts(row))] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
