"""Live instruments and what stands between them and a store: the interface of document 001 in one import place."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.instruments.adapters import (
        CSVAdapter,
        DataAdapter,
        InnovateAdapter,
        JetDriveAdapter,
        convert_to_standard,
        get_adapter_for_source,
        register_adapter,
    )
    from penstock.instruments.samples import DataSample, DynoDataPointSchema, InnovateSampleSchema, JetDriveSampleSchema
    from penstock.instruments.validated import Validated, validate_row
    from penstock.instruments.validation import ValidationResult, ValidationSettings

_PLACES = {
    "CSVAdapter": "adapters",
    "DataAdapter": "adapters",
    "DataSample": "samples",
    "DynoDataPointSchema": "samples",
    "InnovateAdapter": "adapters",
    "InnovateSampleSchema": "samples",
    "JetDriveAdapter": "adapters",
    "JetDriveSampleSchema": "samples",
    "Validated": "validated",
    "ValidationResult": "validation",
    "ValidationSettings": "validation",
    "convert_to_standard": "adapters",
    "get_adapter_for_source": "adapters",
    "register_adapter": "adapters",
    "validate_row": "validated",
}
"""Which module has what. It is imported when it is asked for: looking at a single sample needs neither Arrow nor the queue."""

__all__ = [
    "CSVAdapter",
    "DataAdapter",
    "DataSample",
    "DynoDataPointSchema",
    "InnovateAdapter",
    "InnovateSampleSchema",
    "JetDriveAdapter",
    "JetDriveSampleSchema",
    "Validated",
    "ValidationResult",
    "ValidationSettings",
    "convert_to_standard",
    "get_adapter_for_source",
    "register_adapter",
    "validate_row",
]


def __getattr__(name: str) -> object:
    if (module := _PLACES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
