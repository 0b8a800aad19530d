"""The look at one sample, member by member."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.instruments.ranges import limits_for
from penstock.instruments.validation import (
    NO_CHANNEL,
    NO_QUALITY,
    NO_SOURCE,
    NO_TIME,
    NO_UNIT,
    NOT_A_NUMBER,
    Finding,
    NotANumber,
    ValidationResult,
    ValidationSettings,
    judge,
    number,
)
from penstock.model.quality import Quality, worse

LATEST_MS = (1 << 64) - 1
"""The largest time that a queue and a column can keep."""


@dataclass(slots=True)
class Inspection:
    """What was found so far about a sample with these `members`, which become those that are to be stored."""

    members: dict[str, Any]
    settings: ValidationSettings
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    stated: Quality = field(init=False, default=Quality.OK)
    quality: Quality = field(init=False, default=Quality.OK)

    def __post_init__(self) -> None:
        if "timestamp_ms" in self.members:
            self._time()
        if "quality" in self.members:
            self._stated()

    def text(self, name: str, message: str, *, empty: bool = False) -> str:
        """A member has to be text, and to say something unless it may be `empty`; what is none counts as empty from here on."""
        value = self.members[name]
        if isinstance(value, str) and (empty or value.strip()):
            return value
        self.errors.append(Finding(name, message, value))
        return ""

    def whole(self, name: str, low: int, high: int, message: str) -> None:
        """A member has to be a whole number from `low` to `high`."""
        value = self.members[name]
        if type(value) is not int or not low <= value <= high:
            self.errors.append(Finding(name, message, value))

    def sample(self) -> None:
        """The members are those of a sample: a source where that is told, a channel, a unit, and a value."""
        if "source" in self.members:
            self.text("source", NO_SOURCE)
        channel, unit = self.text("channel", NO_CHANNEL), self.text("unit", NO_UNIT, empty=True)
        self.value("value", channel, unit)

    def value(self, name: str, channel: str, unit: str) -> None:
        """A member is a value of this channel, in this unit."""
        given = self.members[name]
        try:
            read = self.members[name] = number(given, self.settings)
        except NotANumber:
            self.errors.append(Finding(name, NOT_A_NUMBER, given))
            return
        judged = judge(read, limits_for(channel, unit), self.stated, self.settings)
        self.quality = worse(self.quality, judged.quality)
        if judged.refused:
            self.errors.append(Finding(name, judged.refused, given))
        elif judged.unusual:
            self.warnings.append(Finding(name, judged.unusual, given))

    def result(self) -> ValidationResult:
        """All of it."""
        if self.errors:
            return ValidationResult(False, tuple(self.errors), tuple(self.warnings), None, self.quality)
        if "quality" in self.members:
            self.members["quality"] = self.quality
        return ValidationResult(True, (), tuple(self.warnings), self.members, self.quality)

    def _time(self) -> None:
        given = self.members["timestamp_ms"]
        if type(given) is int and 0 <= given <= LATEST_MS:
            return
        try:
            read = number(given, self.settings)
        except NotANumber:
            read = None
        if read is None or not read.is_integer() or not 0 <= read < LATEST_MS:
            self.errors.append(Finding("timestamp_ms", NO_TIME, given))
        else:
            self.members["timestamp_ms"] = int(read)

    def _stated(self) -> None:
        given = self.members["quality"]
        try:
            self.stated = self.quality = given if type(given) is Quality else Quality(given)
        except ValueError:
            self.errors.append(Finding("quality", NO_QUALITY, given))
