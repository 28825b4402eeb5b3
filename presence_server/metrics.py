"""What this program tells Prometheus about itself; read where it is kept, when it is asked for."""

import asyncio
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from presence_server.delivery.courier import ITEMS_SET_ASIDE, TOO_OLD, Courier
from presence_server.delivery.outbox import Outbox
from presence_server.delivery.reports import Fate
from presence_server.history.recorder import Recorder
from presence_server.presence.base import PresenceBackend
from presence_server.rooms import RoomCounter


class PresenceCollector(Collector):
    """Register it with the program's registry."""

    def __init__(
        self, counter: RoomCounter, shared: PresenceBackend, outbox: Outbox, courier: Courier, recorder: Recorder
    ) -> None:
        self._counter = counter
        self._shared = shared
        self._outbox = outbox
        self._courier = courier
        self._recorder = recorder

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("presence_connections", "Connected sockets", self._counter.connections)
        yield GaugeMetricFamily("presence_rooms", "Rooms that are joined or watched", len(self._counter))
        for name, value in self._shared.measures().items():
            yield GaugeMetricFamily(name, "Of this process among the others", value)
        yield GaugeMetricFamily("presence_tasks", "asyncio tasks that have not ended", len(asyncio.all_tasks()))
        yield GaugeMetricFamily("presence_outbox_reports", "Reports that wait for the backend", self._outbox.waiting)
        refuses = self._outbox.trouble is not None
        yield GaugeMetricFamily("presence_outbox_refuses", "1 while the outbox takes nothing", float(refuses))
        yield self._attempts()
        aside = self._courier.outcomes[ITEMS_SET_ASIDE]
        yield CounterMetricFamily("presence_items_set_aside", "Items that the backend will not take", aside)
        too_old = self._courier.outcomes[TOO_OLD]
        yield CounterMetricFamily(
            "presence_reports_too_old", "Reports lost because no backend took them in time", too_old
        )
        made_room = self._outbox.aside_dropped
        yield CounterMetricFamily("presence_aside_items_dropped", "Set-aside items that made room", made_room)
        dropped = self._recorder.bodies_dropped
        yield CounterMetricFamily("presence_bodies_dropped", "Bodies lost because the outbox refused too long", dropped)

    def _attempts(self) -> CounterMetricFamily:
        attempts = CounterMetricFamily("presence_report_attempts", "Attempts to deliver a report", labels=["outcome"])
        for fate in Fate:
            attempts.add_metric([fate.value], self._courier.outcomes[fate.value])
        return attempts
