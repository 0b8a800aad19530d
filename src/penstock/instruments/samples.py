"""Samples as they come from instruments, as rows too, and points of a dyno run; each can be looked at by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.instruments.inspection import Inspection
from penstock.instruments.validation import DEFAULT, BadSample, ValidationResult, ValidationSettings
from penstock.model.quality import Quality

LARGEST_ID = 0xFFFF
"""Of a channel of JetDrive, 16 bits. As a provider it means everybody, and is never a sender."""


@dataclass(frozen=True, slots=True)
class DataSample:
    """One value of one channel.

    `timestamp_ms` counts milliseconds from whatever the source counts from. `unit` is the one that was stated with the value, by its symbol
    (`penstock.model.units`); empty where none was. `quality` is what the source says of the value. `value` is None where there is none.
    """

    timestamp_ms: int
    source: str
    channel: str
    value: float | None
    unit: str = ""
    quality: Quality = Quality.OK

    def validate(self, settings: ValidationSettings = DEFAULT) -> ValidationResult:
        """Look at every member; see `ValidationResult`."""
        if not settings.enabled:
            return ValidationResult(True, sanitized_data=_members(self), quality=self.quality)
        inspection = Inspection(_members(self), settings)
        self.inspect(inspection)
        return inspection.result()

    def inspect(self, inspection: Inspection) -> None:
        """Look at the members, time and quality apart."""
        inspection.sample()


@dataclass(frozen=True, slots=True)
class JetDriveSampleSchema(DataSample):
    """A value of JetDrive. A channel is known by provider and id together: ids repeat from provider to provider."""

    provider_id: int = 0
    channel_id: int = 0

    def inspect(self, inspection: Inspection) -> None:
        """As of a `DataSample`; and both ids."""
        DataSample.inspect(self, inspection)
        inspection.whole("provider_id", 0, LARGEST_ID - 1, "this is no number of a provider")
        inspection.whole("channel_id", 0, LARGEST_ID, "this is no number of a channel")


@dataclass(frozen=True, slots=True)
class InnovateSampleSchema(DataSample):
    """A value of a wideband controller, and what it is as air/fuel ratio and as lambda where that was told.

    `sensor_channel` is the controller's place in the chain, from 1; `device_type` is what it calls itself.
    """

    afr: float | None = None
    lambda_value: float | None = None
    sensor_channel: int = 1
    device_type: str = ""

    def inspect(self, inspection: Inspection) -> None:
        """As of a `DataSample`; and the ratios that were told, and the place."""
        DataSample.inspect(self, inspection)
        if self.afr is not None:
            inspection.value("afr", "afr", "AFR")
        if self.lambda_value is not None:
            inspection.value("lambda_value", "lambda", "lambda")
        inspection.whole("sensor_channel", 1, LARGEST_ID, "this is no place in a chain; they count from 1")


@dataclass(frozen=True, slots=True)
class DynoDataPointSchema:
    """What was measured at one moment or within one window of a run; what is missing is None, never 0.

    `torque` is in ft-lb, `tps` in %, `iat` and `ect` in °F, `acceleration` in g; `afr` is of the whole engine or of its first controller.
    """

    timestamp_ms: int
    rpm: float | None = None
    horsepower: float | None = None
    torque: float | None = None
    afr: float | None = None
    afr_front: float | None = None
    afr_rear: float | None = None
    map_kpa: float | None = None
    tps: float | None = None
    iat: float | None = None
    ect: float | None = None
    speed_mph: float | None = None
    force_lbs: float | None = None
    acceleration: float | None = None

    def validate(self, settings: ValidationSettings = DEFAULT) -> ValidationResult:
        """Look at every value that is there; the result's `quality` is that of the worst."""
        members = _members(self)
        if not settings.enabled:
            return ValidationResult(True, sanitized_data=members)
        inspection = Inspection(members, settings)
        for name, value in list(members.items())[1:]:
            if value is not None:
                inspection.value(name, name, "")
        return inspection.result()


def validate_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a sample with its quality, and with numbers for text; a stage, `python = "penstock.instruments.validate_row"`.

    Raises:
        BadSample: with everything that is wrong about it; the stage refuses the row for that.
    """
    stated = {"unit": row.get("unit") or "", "quality": row.get("quality") or Quality.OK}
    inspection = Inspection({"channel": None, "value": None, **row, **stated}, DEFAULT)
    inspection.sample()
    result = inspection.result()
    if not result.is_valid:
        raise BadSample.of(result)
    read = {name: inspection.members[name] for name in ("timestamp_ms", "value") if isinstance(row.get(name), str)}
    return {**row, **read, "quality": result.quality.value}


def _members(sample: DataSample | DynoDataPointSchema) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in sample.__match_args__}
