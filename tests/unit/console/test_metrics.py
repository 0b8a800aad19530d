"""The catalogue in the Prometheus text format."""

from __future__ import annotations

from typing import get_args

from prometheus_client import REGISTRY, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from penstock.console.metrics import Exposition
from penstock.engine.telemetry import Telemetry
from penstock.model.metrics import HELP, CounterName, GaugeName
from tests.unit.console.runs import a_busy_run, a_run


def scraped(telemetry: Telemetry) -> dict[str, Metric]:
    """Metrics by name, parsed from what a scraper gets."""
    text, _ = Exposition(telemetry).text("")
    return {metric.name: metric for metric in prometheus(text.decode())}


def values(metrics: dict[str, Metric]) -> dict[str, float]:
    """Samples without a label by name."""
    return {sample.name: sample.value for metric in metrics.values() for sample in metric.samples if not sample.labels}


def test_every_metric_of_the_catalogue_is_published() -> None:
    """A scrape shows all of them, counters and gauges, each with the help of the catalogue."""
    run = a_busy_run()
    run.telemetry.waiting = lambda: 7

    metrics = scraped(run.telemetry)

    assert values(metrics).keys() == {f"penstock_{name}" for name in (*get_args(CounterName), *get_args(GaugeName))}
    for name, text in HELP.items():
        metric = metrics[f"penstock_{name.removesuffix('_total')}"]
        assert (metric.documentation, metric.type) == (text, "gauge" if name in get_args(GaugeName) else "counter")


def test_values_are_read_when_asked() -> None:
    """One exposition follows the run."""
    run = a_busy_run()
    exposition = Exposition(run.telemetry)
    exposition.text("")
    run.telemetry.counters.add("requests_total", 5)

    text, _ = exposition.text("")

    assert "penstock_requests_total 255.0\n" in text.decode()


def test_gauges() -> None:
    """The rate, the scope, who is busy and how often the database came back."""
    run = a_busy_run()
    run.telemetry.workers[0].state = "idle"
    run.telemetry.waiting = lambda: 7

    seen = values(scraped(run.telemetry))

    assert round(seen["penstock_rows_per_second"]) == 100_000
    assert seen["penstock_rows_expected"] == 3_000_000
    assert seen["penstock_rows_waiting"] == 7
    assert seen["penstock_workers_busy"] == 1
    assert seen["penstock_database_restarts"] == 1


def test_an_unknown_total_has_no_sample() -> None:
    """Nought rows expected would be a lie."""
    metric = scraped(a_run(expected=None).telemetry)["penstock_rows_expected"]

    assert metric.samples == []


def test_rows_of_each_worker() -> None:
    """One metric, the worker in a label."""
    metric = scraped(a_busy_run().telemetry)["penstock_worker_rows"]

    assert {sample.labels["worker"]: sample.value for sample in metric.samples} == {"0": 500_000, "1": 500_000}


def test_open_metrics_where_it_is_asked_for() -> None:
    """Prometheus prefers the newer format, and gets it."""
    text, content_type = Exposition(a_busy_run().telemetry).text("application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    names = {metric.name for metric in open_metrics(text.decode())}  # type: ignore[no-untyped-call]
    assert "penstock_rows_stored" in names


def test_the_global_registry_is_left_alone() -> None:
    """Two runs in one process do not meet."""
    scraped(a_busy_run().telemetry)

    assert not [metric.name for metric in REGISTRY.collect() if metric.name.startswith("penstock")]
