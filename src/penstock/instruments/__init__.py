"""Live instruments and what stands between them and a store: the interface of document 001 in one import place."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.engine.configuration import FaultySettings
    from penstock.instruments.account import IngestionState, IngestionStats
    from penstock.instruments.adapters import (
        CSVAdapter,
        DataAdapter,
        InnovateAdapter,
        JetDriveAdapter,
        NoAdapter,
        NotAnAdapter,
        NoWindow,
        convert_to_standard,
        get_adapter_for_source,
        register_adapter,
    )
    from penstock.instruments.circuits import Breakers
    from penstock.instruments.client import BaseIngestionClient, IngestionOff, NoSourceName, StillReading
    from penstock.instruments.columns import NoSamples as NoSamples
    from penstock.instruments.config import (
        CircuitBreakerSettings,
        IngestionConfig,
        InnovateConfig,
        JetDriveConfig,
        NoSourceConfig,
        RetrySettings,
        SourceConfig,
        register_source_config,
    )
    from penstock.instruments.hooks import HookBrokenOff
    from penstock.instruments.ingestion_file import NoIngestionFile, get_ingestion_config, get_source_config
    from penstock.instruments.link import CircuitOpen, NotConnected
    from penstock.instruments.samples import DataSample, DynoDataPointSchema, InnovateSampleSchema, JetDriveSampleSchema, validate_row
    from penstock.instruments.validated import Validated as Validated
    from penstock.instruments.validation import BadSample, Finding, ValidationResult, ValidationSettings
    from penstock.model.errors import Fatal, Misconfigured, PenstockError, Refused, Throttled, Transient, TryLater
    from penstock.model.quality import Quality
    from penstock.queue.durable.disklog import LogNotAccessible
    from penstock.queue.durable.opening import LogOfAnotherVersion
    from penstock.queue.epochs import NoGreaterEpoch
    from penstock.queue.ingestion import (
        AlreadyProcessing,
        IngestionQueue,
        NotAQueue,
        NotQueueable,
        QueueFull,
        QueueItem,
        QueuePriority,
        QueueSettings,
        QueueStats,
        StaleLease,
        TooManyFailures,
    )
    from penstock.queue.ingestion.errors import QueueSettingsUnusable
    from penstock.queue.log import AppendTooLarge, AppendUnknown, LogClosed, LogFull, LogLocked, LogSettingsUnusable
    from penstock.reliability.breakers import NoSuchBreaker, OtherSettings
    from penstock.reliability.circuit import BreakerState
    from penstock.reliability.health import HealthSettings
    from penstock.reliability.settings import UnusableSettings

_PLACES = {
    "AlreadyProcessing": ".queue.ingestion",
    "AppendTooLarge": ".queue.log",
    "AppendUnknown": ".queue.log",
    "BadSample": "validation",
    "BaseIngestionClient": "client",
    "BreakerState": ".reliability.circuit",
    "Breakers": "circuits",
    "CSVAdapter": "adapters",
    "CircuitBreakerSettings": "config",
    "CircuitOpen": "link",
    "DataAdapter": "adapters",
    "DataSample": "samples",
    "DynoDataPointSchema": "samples",
    "Fatal": ".model.errors",
    "FaultySettings": ".engine.configuration",
    "Finding": "validation",
    "HealthSettings": ".reliability.health",
    "HookBrokenOff": "hooks",
    "IngestionConfig": "config",
    "IngestionOff": "client",
    "IngestionQueue": ".queue.ingestion",
    "IngestionState": "account",
    "IngestionStats": "account",
    "InnovateAdapter": "adapters",
    "InnovateConfig": "config",
    "InnovateSampleSchema": "samples",
    "JetDriveAdapter": "adapters",
    "JetDriveConfig": "config",
    "JetDriveSampleSchema": "samples",
    "LogClosed": ".queue.log",
    "LogFull": ".queue.log",
    "LogLocked": ".queue.log",
    "LogNotAccessible": ".queue.durable.disklog",
    "LogOfAnotherVersion": ".queue.durable.opening",
    "LogSettingsUnusable": ".queue.log",
    "Misconfigured": ".model.errors",
    "NoAdapter": "adapters",
    "NoGreaterEpoch": ".queue.epochs",
    "NoIngestionFile": "ingestion_file",
    "NoSamples": "columns",
    "NoSourceConfig": "config",
    "NoSourceName": "client",
    "NoSuchBreaker": ".reliability.breakers",
    "NoWindow": "adapters",
    "NotAQueue": ".queue.ingestion",
    "NotAnAdapter": "adapters",
    "NotConnected": "link",
    "NotQueueable": ".queue.ingestion",
    "OtherSettings": ".reliability.breakers",
    "PenstockError": ".model.errors",
    "Quality": ".model.quality",
    "QueueFull": ".queue.ingestion",
    "QueueItem": ".queue.ingestion",
    "QueuePriority": ".queue.ingestion",
    "QueueSettings": ".queue.ingestion",
    "QueueSettingsUnusable": ".queue.ingestion.errors",
    "QueueStats": ".queue.ingestion",
    "Refused": ".model.errors",
    "RetrySettings": "config",
    "SourceConfig": "config",
    "StaleLease": ".queue.ingestion",
    "StillReading": "client",
    "Throttled": ".model.errors",
    "TooManyFailures": ".queue.ingestion",
    "Transient": ".model.errors",
    "TryLater": ".model.errors",
    "UnusableSettings": ".reliability.settings",
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
`Validated` and `NoSamples` are about columns and need the extra `arrow`; they come by their names, and not with `import *`."""

__all__ = [
    "AlreadyProcessing",
    "AppendTooLarge",
    "AppendUnknown",
    "BadSample",
    "BaseIngestionClient",
    "BreakerState",
    "Breakers",
    "CSVAdapter",
    "CircuitBreakerSettings",
    "CircuitOpen",
    "DataAdapter",
    "DataSample",
    "DynoDataPointSchema",
    "Fatal",
    "FaultySettings",
    "Finding",
    "HealthSettings",
    "HookBrokenOff",
    "IngestionConfig",
    "IngestionOff",
    "IngestionQueue",
    "IngestionState",
    "IngestionStats",
    "InnovateAdapter",
    "InnovateConfig",
    "InnovateSampleSchema",
    "JetDriveAdapter",
    "JetDriveConfig",
    "JetDriveSampleSchema",
    "LogClosed",
    "LogFull",
    "LogLocked",
    "LogNotAccessible",
    "LogOfAnotherVersion",
    "LogSettingsUnusable",
    "Misconfigured",
    "NoAdapter",
    "NoGreaterEpoch",
    "NoIngestionFile",
    "NoSourceConfig",
    "NoSourceName",
    "NoSuchBreaker",
    "NoWindow",
    "NotAQueue",
    "NotAnAdapter",
    "NotConnected",
    "NotQueueable",
    "OtherSettings",
    "PenstockError",
    "Quality",
    "QueueFull",
    "QueueItem",
    "QueuePriority",
    "QueueSettings",
    "QueueSettingsUnusable",
    "QueueStats",
    "Refused",
    "RetrySettings",
    "SourceConfig",
    "StaleLease",
    "StillReading",
    "Throttled",
    "TooManyFailures",
    "Transient",
    "TryLater",
    "UnusableSettings",
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
