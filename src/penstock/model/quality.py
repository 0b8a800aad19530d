"""How far a measured value can be trusted: data that travels with the value, never a reason to lose it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Quality(StrEnum):
    """What is known of a value, the best first."""

    OK = "ok"
    WARN = "warn"
    OUT_OF_RANGE = "out_of_range"
    NOT_MEASURING = "not_measuring"
    GAP = "gap"


QUALITIES = tuple(Quality)
"""By their codes: the place in this tuple is the number that stands for a quality in columns of numbers."""

CODES: Mapping[Quality, int] = {quality: code for code, quality in enumerate(QUALITIES)}

MEANING: Mapping[Quality, str] = {
    Quality.OK: "Nothing speaks against the value. A channel whose name is not listed is not compared with anything.",
    Quality.WARN: "The value is possible and unusual, or it is stated in a unit that its sensor does not have.",
    Quality.OUT_OF_RANGE: "The value is outside of what the sensor can say. It is kept as it came.",
    Quality.NOT_MEASURING: "The instrument answers and does not measure: it warms up, is in free air, or reports an error."
    " The number is no reading.",
    Quality.GAP: "Here something is missing that was there to be received.",
}


def worse(one: Quality, other: Quality) -> Quality:
    """The one of the two that says less good of the value."""
    return one if CODES[one] >= CODES[other] else other
