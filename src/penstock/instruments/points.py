"""Points of a run, put together from what channels say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from penstock.instruments.ranges import CHANNELS, REMEMBERED, listed, plain_name
from penstock.instruments.samples import DynoDataPointSchema
from penstock.model.units import NotConvertible, factors, symbol

UNITS_OF_A_POINT: Mapping[str, str] = {
    "rpm": "rpm",
    "horsepower": "hp",
    "torque": "ft-lb",
    "afr": "AFR",
    "afr_front": "AFR",
    "afr_rear": "AFR",
    "map_kpa": "kPa",
    "tps": "%",
    "iat": "°F",
    "ect": "°F",
    "speed_mph": "mph",
    "force_lbs": "lbf",
    "acceleration": "g",
}

STOICHIOMETRIC = 14.7
"""The air/fuel ratio that is lambda 1: that of gasoline, in which gauges are scaled."""

_RANKS: Mapping[str, int] = {name: rank for rank, name in enumerate(name for channel in CHANNELS for name in channel.names)}


@dataclass(frozen=True, slots=True)
class Target:
    """The member of a point that takes a channel's values, as `value * scale + offset`; of two channels the lesser `rank` goes first."""

    field: str
    rank: int
    scale: float
    offset: float


@lru_cache(REMEMBERED)
def target(channel: str, unit: str = "") -> Target | None:
    """Where values of a channel in a unit go; None where its name is not listed for a point, or the unit is not of that quantity."""
    found = listed(channel)
    if found is None or not found.field:
        return None
    of, to, rank = unit.strip() or found.unit, UNITS_OF_A_POINT[found.field], _RANKS[plain_name(channel)]
    if (symbol(of), to) == ("lambda", "AFR"):
        return Target(found.field, rank, STOICHIOMETRIC, 0.0)
    try:
        return Target(found.field, rank, *factors(of, to))
    except NotConvertible:
        return None


@dataclass(frozen=True, slots=True)
class Reading:
    """A value on its way into a point. `provider` decides between equal ranks, the least goes before."""

    target: Target
    value: float
    provider: int = 0

    @property
    def converted(self) -> float:
        """In the unit of the point; infinite where it is too large for that."""
        return self.value * self.target.scale + self.target.offset


def point(timestamp_ms: int, readings: Iterable[Reading]) -> DynoDataPointSchema:
    """The point of some readings, in the order of their times: the last one of the channel that goes before the others, for each member."""
    chosen: dict[str, Reading] = {}
    for reading in readings:
        before = chosen.get(reading.target.field)
        if before is None or _order(reading) <= _order(before):
            chosen[reading.target.field] = reading
    return DynoDataPointSchema(timestamp_ms, **{name: one.converted for name, one in chosen.items()})


def _order(reading: Reading) -> tuple[int, int]:
    return reading.target.rank, reading.provider
