"""The catalogue of metrics."""

from __future__ import annotations

from typing import get_args

import pytest

from penstock.model.metrics import CLIENT_HELP, HELP, ClientMetricName, CounterName, Counters, GaugeName, WorkerCounterName


def test_every_metric_is_explained() -> None:
    """The help texts are of exactly the metrics that there are."""
    assert set(HELP) == {*get_args(CounterName), *get_args(GaugeName), *get_args(WorkerCounterName)}
    assert set(CLIENT_HELP) == {*get_args(ClientMetricName)}


def test_counters_begin_at_nought() -> None:
    """All counters are there from the start, and count from nought."""
    counters = Counters.zero()
    counters.add("rows_stored_total", 3)
    counters.add("rows_stored_total")

    assert counters["rows_stored_total"] == 4
    assert sum(counters.values.values()) == 4
    assert set(counters.values) == set(get_args(CounterName))


def test_only_known_metrics_are_counted() -> None:
    """A name that is not in the catalogue is an error."""
    with pytest.raises(KeyError):
        Counters.zero().add("rows_eaten_total")  # type: ignore[arg-type]
