"""What is looked at before a value is stored: it is refused, or kept with its quality; it is never changed into another value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite, isnan
from numbers import Real
from typing import Any

from penstock.instruments.hooks import text_of
from penstock.instruments.ranges import Limits
from penstock.model.errors import Misconfigured, Refused
from penstock.model.quality import Quality, worse

NO_VALUE = "there is no value"
NOT_A_NUMBER = "the value is no number"
NAN = "the value is NaN"
INFINITE = "the value is infinite"
CALLED_OUT_OF_RANGE = "its source calls it out of range"
NO_TIME = "timestamp_ms is no number of milliseconds"
NO_SOURCE = "the source has no name"
NO_CHANNEL = "the channel has no name"
NO_UNIT = "the unit is no text"
NO_QUALITY = f"the quality is none of {', '.join(Quality)}"

SILENT = frozenset({Quality.NOT_MEASURING, Quality.GAP})
"""Qualities with which there need not be a value, and one that is there is no reading to compare with anything."""

_NUMBER = re.compile(r"\s*[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)\s*", re.ASCII | re.IGNORECASE)


class NotANumber(Refused):
    """The value is no number."""


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """The keys of `validation` in `config/ingestion.json`.

    `enabled`: whether anything is looked at. `strict_mode`: what is out of range is refused instead of kept with a flag.
    `sanitize_values`: numbers that are written as text are read. `reject_nan` and `reject_inf`: whether these are refused; if not, they
    are kept, as not measuring and as out of range.
    """

    enabled: bool = True
    strict_mode: bool = False
    sanitize_values: bool = True
    reject_nan: bool = True
    reject_inf: bool = True

    def __post_init__(self) -> None:
        if odd := [name for name in self.__match_args__ if type(getattr(self, name)) is not bool]:
            raise Misconfigured(f"validation: {' and '.join(odd)} can be true or false")


DEFAULT = ValidationSettings()


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one member of a sample."""

    field: str
    message: str
    value: object = None


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What became of a sample.

    `errors` refuse it; `warnings` do not. `sanitized_data` is what is to be stored: members by name, numbers as floats, `quality` as it was
    found; a value that is missing stays None. It is None where the sample is refused.
    """

    is_valid: bool
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    sanitized_data: Mapping[str, Any] | None = None
    quality: Quality = Quality.OK


class BadSample(Refused):
    """The sample is refused."""

    @classmethod
    def of(cls, result: ValidationResult) -> BadSample:
        """With everything that was found wrong."""
        return cls("; ".join(f"{error.field}: {error.message}" for error in result.errors))


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one value: its quality, why it is refused (empty: it is not), and what is unusual about it."""

    quality: Quality
    refused: str = ""
    unusual: str = ""


GOOD = Judgement(Quality.OK)


def number(value: object, settings: ValidationSettings = DEFAULT) -> float | None:
    """A value as a float; None, and with `sanitize_values` an empty text, is a missing one.

    Raises:
        NotANumber: with what it is instead.
    """
    if type(value) is float or value is None:
        return value
    if settings.sanitize_values and isinstance(value, str):
        if not value.strip():
            return None
        if _NUMBER.fullmatch(value):
            return float(value)
    if type(value) is not bool and isinstance(value, Real | Decimal):
        try:
            return float(value)
        except (OverflowError, ValueError):  # larger than any float; a NaN that signals
            pass
    raise NotANumber(text_of(value)[:60])


def judge(value: float | None, limits: Limits, stated: Quality = Quality.OK, settings: ValidationSettings = DEFAULT) -> Judgement:
    """Compare a value with its limits. What its source has `stated` about it never becomes better."""
    if value is None:
        return Judgement(stated, "" if stated in SILENT else NO_VALUE)
    if not isfinite(value):
        return _not_finite(value, stated, settings)
    if stated in SILENT:
        return Judgement(stated)
    if not limits.low <= value <= limits.high:
        found = Quality.OUT_OF_RANGE
    elif not limits.warn_low <= value <= limits.warn_high:
        found = Quality.WARN
    elif stated is Quality.OK:
        return GOOD
    else:
        found = Quality.OK
    quality = worse(stated, found)
    out = limits.outside if found is Quality.OUT_OF_RANGE else CALLED_OUT_OF_RANGE
    if quality is not Quality.OUT_OF_RANGE:
        return Judgement(quality, "", limits.unusual if found is Quality.WARN else "")
    return Judgement(quality, out) if settings.strict_mode else Judgement(quality, "", out)


def _not_finite(value: float, stated: Quality, settings: ValidationSettings) -> Judgement:
    if isnan(value):
        return Judgement(worse(stated, Quality.NOT_MEASURING), NAN if settings.reject_nan else "")
    refused = settings.reject_inf or (settings.strict_mode and stated not in SILENT)
    return Judgement(worse(stated, Quality.OUT_OF_RANGE), INFINITE if refused else "", INFINITE if not refused else "")
