"""What is measured, step by step: each is a conversation with one server and gives some of the table's figures.

Microseconds are CPU of the server's process. A step starts a server of its own, so that none pays for another.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks.engine import sharing, tls
from tests.benchmarks.engine.measure import ANNOUNCED_INTERVAL_SECONDS, Figures, Run, Scale, running
from tests.benchmarks.engine.peers import OURS, Peer

Measure = Callable[[Peer, Scale, float], Figures]


class Step(NamedTuple):
    """`share` is its part of the whole time, beside what earlier steps leave; `whose` its servers (empty: all)."""

    name: str
    measure: Measure
    share: float
    whose: tuple[str, ...] = ()


def _connect(peer: Peer, scale: Scale, until: float) -> Figures:
    """Connect and join, each in a room of its own; some go and others come; all go."""
    n = scale.sockets
    with running(peer, until) as run:
        _warm(run, n // 2)
        cpu, said = run.tell("open", n, n, 1, 1)
        found = {"connect_us": cpu / n * 1e6, "load_connect_us": said["load_cpu"] / n * 1e6}
        found["failed"] = n - said["ready"]
        cpu, _ = run.tell("churn", scale.churn)
        found["churn_us"] = cpu / scale.churn * 1e6
        cpu, _ = run.tell("shut")
        return found | {"disconnect_us": cpu / n * 1e6}


def _idle(peer: Peer, scale: Scale, until: float) -> Figures:
    """Joined sockets that only answer pings; these come more often than usual, and what one costs is counted."""
    n = scale.sockets
    with running(peer, until, scale.ping_interval_seconds) as run:
        _warm(run, n // 50)
        base = run.rss_kib()
        run.tell("open", n, n, 1, 1)
        cpu, said = run.tell("idle", scale.idle_seconds, settle=0)
        found = {"rss_kib": (run.rss_kib() - base) / n}
        if said["pings"]:
            found["idle_us"] = cpu / said["pings"] * 1e6 / ANNOUNCED_INTERVAL_SECONDS
            found["pings_per_cpu_second"] = said["pings"] / max(cpu, 1e-9)
        return found


def _storm(peer: Peer, scale: Scale, until: float) -> Figures:
    """Everybody comes at once into 100 rooms that are told of it."""
    with running(peer, until) as run:
        _warm(run, scale.sockets // 2)
        cpu, said = run.tell("open", scale.sockets, 100, 0, 1)
        return {
            "storm_us": cpu / scale.sockets * 1e6,
            "storm_seconds": said["wall"],
            "storm_updates": said["updates"] / scale.sockets,
            "storm_failed": scale.sockets - said["ready"],
        }


def _rooms(peer: Peer, scale: Scale, until: float) -> Figures:
    """The cost of one who goes and one who comes, five rooms each, with few rooms and with many."""
    found = {}
    for name, rooms in (("few_rooms_us", 1_000), ("many_rooms_us", scale.many_rooms)):
        with running(peer, until) as run:
            run.tell("open", scale.sockets, rooms, 1, 5)
            cpu, _ = run.tell("churn", scale.churn)
            found[name] = cpu / scale.churn * 1e6
    return found


def _delivery(peer: Peer, scale: Scale, until: float) -> Figures:
    """Updates to one big room, back to back."""
    with running(peer, until) as run:
        run.tell("open", scale.room, 1, 1, 1)
        _, said = run.tell("bump", 3)
        times = max(2, round(scale.deliveries / scale.room / (1 if said["wall"] < 1 else 10)))
        cpu, said = run.tell("bump", times)
        deliveries = max(1, said["deliveries"])
        return {"delivery_us": cpu / deliveries * 1e6, "load_delivery_us": said["load_cpu"] / deliveries * 1e6}


def _delay(peer: Peer, scale: Scale, until: float) -> Figures:
    """Ten updates a second to one big room; single updates whenever nothing else is under way."""
    with running(peer, until) as run:
        run.tell("open", scale.room, 1, 1, 1)
        run.tell("open", 1, 1_000_003, 1, 1)
        run.tell("bump", 3)
        _, said = run.tell("delay", 10 * scale.paced_seconds, 10)
        found = {name: value for name, value in said.items() if name.startswith(("delay_", "probe_"))}
        found["delay_load_share"] = said["load_cpu"] / said["wall"] * 100
        if "delay_p990_ms" in found and "probe_p990_ms" in found:
            found["delay_ms"] = found["delay_p990_ms"] - found["probe_p990_ms"]
        return found


def _warm(run: Run, sockets: int) -> None:
    """Some come and go: what is loaded, compiled or made room for once is no part of a figure."""
    run.tell("open", sockets, sockets, 1, 1)
    run.tell("shut")


STEPS = [
    Step("delivery", _delivery, 0.15),
    Step("delay", _delay, 0.09),
    Step("idle", _idle, 0.21),
    Step("connect", _connect, 0.16),
    Step("storm", _storm, 0.16),
    Step("rooms", _rooms, 0.09),
    Step("TLS", tls.measure, 0.05, (OURS,)),
    Step("sharing", sharing.measure, 0.09, (OURS,)),
]
