"""Live instruments and what stands between them and a store: the interface of document 001 in one import place."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.instruments.account import IngestionState, IngestionStats
    from penstock.instruments.adapters import (
        CSVAdapter,
        DataAdapter,
        InnovateAdapter,
        JetDriveAdapter,
        convert_to_standard,
        get_adapter_for_source,
        register_adapter,
    )
    from penstock.instruments.client import BaseIngestionClient
    from penstock.instruments.config import (
        CircuitBreakerSettings,
        IngestionConfig,
        InnovateConfig,
        JetDriveConfig,
        RetrySettings,
        SourceConfig,
        register_source_config,
    )
    from penstock.instruments.ingestion_file import get_ingestion_config, get_source_config
    from penstock.instruments.link import CircuitOpen, NotConnected
    from penstock.instruments.samples import DataSample, DynoDataPointSchema, InnovateSampleSchema, JetDriveSampleSchema, validate_row
    from penstock.instruments.validated import Validated as Validated
    from penstock.instruments.validation import ValidationResult, ValidationSettings
    from penstock.queue.ingestion import IngestionQueue, QueueItem, QueuePriority, QueueSettings, QueueStats
    from penstock.reliability.breakers import Breakers
    from penstock.reliability.circuit import BreakerState
    from penstock.reliability.health import HealthSettings

_PLACES = {
    "BaseIngestionClient": "client",
    "BreakerState": ".reliability.circuit",
    "Breakers": ".reliability.breakers",
    "CSVAdapter": "adapters",
    "CircuitBreakerSettings": "config",
    "CircuitOpen": "link",
    "DataAdapter": "adapters",
    "DataSample": "samples",
    "DynoDataPointSchema": "samples",
    "HealthSettings": ".reliability.health",
    "IngestionConfig": "config",
    "IngestionQueue": ".queue.ingestion",
    "IngestionState": "account",
    "IngestionStats": "account",
    "InnovateAdapter": "adapters",
    "InnovateConfig": "config",
    "InnovateSampleSchema": "samples",
    "JetDriveAdapter": "adapters",
    "JetDriveConfig": "config",
    "JetDriveSampleSchema": "samples",
    "NotConnected": "link",
    "QueueItem": ".queue.ingestion",
    "QueuePriority": ".queue.ingestion",
    "QueueSettings": ".queue.ingestion",
    "QueueStats": ".queue.ingestion",
    "RetrySettings": "config",
    "SourceConfig": "config",
    "Validated": "validated",
    "ValidationResult": "validation",
    "ValidationSettings": "validation",
    "convert_to_standard": "adapters",
    "get_adapter_for_source": "adapters",
    "get_ingestion_config": "ingestion_file",
    "get_source_config": "ingestion_file",
    "register_adapter": "adapters",
    "register_source_config": "config",
    "validate_row": "samples",
}
"""Which module has what, from here. It is imported when it is asked for: looking at a single sample needs neither Arrow nor the queue.
`Validated` looks at columns and needs the extra `arrow`; it comes by its name, and not with `import *`."""

__all__ = [
    "BaseIngestionClient",
    "BreakerState",
    "Breakers",
    "CSVAdapter",
    "CircuitBreakerSettings",
    "CircuitOpen",
    "DataAdapter",
    "DataSample",
    "DynoDataPointSchema",
    "HealthSettings",
    "IngestionConfig",
    "IngestionQueue",
    "IngestionState",
    "IngestionStats",
    "InnovateAdapter",
    "InnovateConfig",
    "InnovateSampleSchema",
    "JetDriveAdapter",
    "JetDriveConfig",
    "JetDriveSampleSchema",
    "NotConnected",
    "QueueItem",
    "QueuePriority",
    "QueueSettings",
    "QueueStats",
    "RetrySettings",
    "SourceConfig",
    "ValidationResult",
    "ValidationSettings",
    "convert_to_standard",
    "get_adapter_for_source",
    "get_ingestion_config",
    "get_source_config",
    "register_adapter",
    "register_source_config",
    "validate_row",
]


def __getattr__(name: str) -> object:
    if (module := _PLACES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
