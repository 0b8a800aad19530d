"""The metric catalogue in the Prometheus text format, read off a run's plain counters when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from penstock.engine.telemetry import Telemetry
from penstock.model.metrics import HELP, CounterName, GaugeName

PREFIX = "penstock_"

GAUGES: Mapping[GaugeName, Callable[[Telemetry], float | None]] = {
    "rows_per_second": lambda telemetry: telemetry.status().rows_per_second,
    "rows_expected": lambda telemetry: telemetry.expected,
    "rows_waiting": lambda telemetry: telemetry.waiting(),
    "workers_busy": lambda telemetry: sum(worker.state in ("reading", "writing") for worker in telemetry.workers.values()),
    "database_restarts": lambda telemetry: telemetry.database_restarts,
}
"""What each gauge reads; None, not known yet, is a metric without a sample."""


class Exposition:
    """One run's metrics, in a registry of their own."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Run(telemetry))

    def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the version of the format that an `Accept` header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Run(Collector):
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterator[Metric]:
        for counter in get_args(CounterName):
            yield CounterMetricFamily(PREFIX + counter, HELP[counter], value=self._telemetry.counters[counter])
        for gauge, read in GAUGES.items():
            yield GaugeMetricFamily(PREFIX + gauge, HELP[gauge], value=read(self._telemetry))
        rows = CounterMetricFamily(PREFIX + "worker_rows_total", HELP["worker_rows_total"], labels=["worker"])
        for number, worker in self._telemetry.workers.items():
            rows.add_metric([str(number)], worker.rows)
        yield rows
