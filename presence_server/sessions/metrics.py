"""What the carrying of sessions tells Prometheus; read where it is kept, when it is asked for."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from presence_server.delivery.courier import ITEMS_SET_ASIDE
from presence_server.delivery.reports import Fate
from presence_server.sessions.wiring import Carrying


class SessionsCollector(Collector):
    """Register it with the program's registry. The outbox of sessions is one of its own."""

    def __init__(self, carrying: Carrying) -> None:
        self._carrying = carrying

    def collect(self) -> Iterator[Metric]:
        opened = GaugeMetricFamily("presence_open_intervals", "Sockets that carry a session", labels=["kind"])
        for namespace in self._carrying.namespaces:
            opened.add_metric([namespace.kind], len(namespace.carried()))
        yield opened
        outbox, outcomes = self._carrying.outbox, self._carrying.courier.outcomes
        waiting = "Reports of sessions that wait for the backend"
        yield GaugeMetricFamily("presence_session_outbox_reports", waiting, outbox.waiting)
        refuses = float(outbox.trouble is not None)
        yield GaugeMetricFamily("presence_session_outbox_refuses", "1 while that outbox takes nothing", refuses)
        unfiled = "Reports of sessions that are not on the disk yet"
        yield GaugeMetricFamily("presence_session_reports_unfiled", unfiled, self._carrying.reports.unfiled)
        told = "Attempts to deliver a report of sessions"
        attempts = CounterMetricFamily("presence_session_report_attempts", told, labels=["outcome"])
        for fate in Fate:
            attempts.add_metric([fate.value], outcomes[fate.value])
        yield attempts
        aside = outcomes[ITEMS_SET_ASIDE]
        yield CounterMetricFamily("presence_intervals_set_aside", "Intervals that the backend will not take", aside)
