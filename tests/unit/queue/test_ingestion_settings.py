"""Settings of a queue: defaults of 001, and every fault told at once."""

from __future__ import annotations

import re

import pytest

from penstock.queue.ingestion import QueueSettings
from penstock.queue.ingestion.errors import QueueSettingsUnusable


def test_defaults_are_those_of_001() -> None:
    """What 001 says in `config/ingestion.json`, and where it keeps things on disk."""
    settings = QueueSettings()

    assert (settings.max_size, settings.batch_size, settings.flush_interval_sec, settings.persist_to_disk) == (10_000, 100, 5.0, False)
    assert settings.persist_path == "data/ingestion_queue"
    assert (settings.max_attempts, settings.retry_delay_sec, settings.max_retry_delay_sec) == (3, 0.1, 30.0)


def test_what_does_not_fit_is_kept_on_disk_and_shed_in_memory() -> None:
    """The default of `overflow` goes by where the queue is."""
    assert QueueSettings(persist_to_disk=True).when_full == "spill"
    assert QueueSettings(persist_to_disk=False).when_full == "shed_lowest"
    assert QueueSettings(persist_to_disk=True, overflow="block").when_full == "block"


def test_all_faults_are_told_at_once() -> None:
    """Each with its name and what it is."""
    with pytest.raises(QueueSettingsUnusable) as raised:
        QueueSettings(max_size=0, lease_timeout_sec=0, retry_delay_sec=-1.0, overflow="spill", block_timeout_sec=float("nan"))

    for name in ("max_size", "lease_timeout_sec", "retry_delay_sec", "block_timeout_sec", "persist_to_disk is off"):
        assert name in str(raised.value)
    with pytest.raises(QueueSettingsUnusable, match="'drop'"):
        QueueSettings(overflow="drop")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_size", "10"),
        ("max_size", 1.5),
        ("batch_size", True),
        ("max_attempts", None),
        ("flush_interval_sec", "5"),
        ("lease_timeout_sec", None),
        ("persist_to_disk", "false"),
        ("persist_path", 5),
        ("persist_path", ""),
        ("overflow", []),
    ],
)
def test_what_is_of_another_kind_is_a_fault(name: str, value: object) -> None:
    """Text that says "false" would count as true, and half an item is none."""
    with pytest.raises(QueueSettingsUnusable, match=f"{name} must be .*, and is {re.escape(repr(value))}"):
        QueueSettings(**{name: value})  # type: ignore[arg-type]  # on purpose
