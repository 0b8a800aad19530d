"""What sensors can say and what is usual: the ranges, and the channels they belong to, by listed names and units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf

from penstock.model.units import NotConvertible, factors, symbol

REMEMBERED = 4_096
"""Names and units whose limits are remembered. They come from a network, where anybody may invent more."""

DIGITS = 12
"""Of a limit that is stated in another unit, so that -40 °F is -40 °C exactly."""

_DEVICE = re.compile(r"^\([^()]*\)\s+(?=\S)")
_SPACE = re.compile(r"[\s_]+")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is possible (`low` to `high`) and what is usual (`warn_low` to `warn_high`), both ends included, in `unit`.

    `remark` says why every value is unusual, where that is so.
    """

    unit: str
    low: float = -inf
    high: float = inf
    warn_low: float = -inf
    warn_high: float = inf
    remark: str = ""

    def stated_in(self, unit: str) -> Limits:
        """The same limits in another unit; raises `NotConvertible`."""
        if unit == self.unit:
            return self
        scale, offset = factors(self.unit, unit)
        edges = (self.low, self.high, self.warn_low, self.warn_high)
        low, high, warn_low, warn_high = (float(f"{edge * scale + offset:.{DIGITS}g}") for edge in edges)
        return Limits(symbol(unit), low, high, warn_low, warn_high)

    @property
    def outside(self) -> str:
        """Why a value is not possible."""
        return f"outside of {self.low:,g} to {self.high:,g} {self.unit}".rstrip()

    @property
    def unusual(self) -> str:
        """Why a possible value is unusual."""
        ends = [f"below {self.warn_low:,g}"] * (self.warn_low > -inf) + [f"above {self.warn_high:,g}"] * (self.warn_high < inf)
        return self.remark or f"unusual, {' or '.join(ends)} {self.unit}".rstrip()


OPEN = Limits("")
"""Nothing is known: every value is possible and usual."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """What is measured, and the limits of it; more than one where it is measured as two quantities."""

    name: str
    limits: tuple[Limits, ...]


ENGINE_SPEED = Sensor("engine speed", (Limits("rpm", 0, 20_000, 500, 15_000),))
MIXTURE = Sensor("air/fuel ratio", (Limits("AFR", 6, 35, 10, 20), Limits("lambda", 0.4, 2.4, 0.7, 1.4)))
MANIFOLD = Sensor("manifold absolute pressure", (Limits("kPa", 0, 300, 20, 250),))
POWER = Sensor("power", (Limits("hp", -50, 2_000, warn_high=1_000),))
TORQUE = Sensor("torque", (Limits("ft-lb", -100, 2_000, warn_high=800),))
THROTTLE = Sensor("throttle position", (Limits("%", 0, 100),))
INTAKE_AIR = Sensor("intake air temperature", (Limits("°F", -40, 300, 32, 200),))
DRUM_SPEED = Sensor("drum speed", (Limits("rpm", 0, 10_000, 0, 8_000),))
COOLANT = Sensor("engine temperature", (Limits("°F", -40, 350, 100, 250),))
FORCE = Sensor("force on the drum", (Limits("lbf", -500, 2_000),))
ACCELERATION = Sensor("acceleration", (Limits("g", -5, 10),))
BATTERY = Sensor("battery voltage", (Limits("V", 0, 20, 11, 15),))
KNOCK = Sensor("knock", (Limits("", 0, 100, warn_high=30),))
BAROMETER = Sensor("barometric pressure", (Limits("inHg", 20, 35, 28, 31),))
HUMIDITY = Sensor("humidity", (Limits("%", 0, 100),))
AMBIENT = Sensor("ambient temperature", (Limits("°F", -40, 150, 32, 110),))
SPEED = Sensor("vehicle speed", (Limits("mph"),))


@dataclass(frozen=True, slots=True)
class Channel:
    """Names under which a sensor comes, and the unit of its values where none is stated with them.

    `field` is the member of a `DynoDataPointSchema` that takes them; of several names of one field the first one listed goes before.
    """

    sensor: Sensor
    unit: str
    names: tuple[str, ...]
    field: str = ""


CHANNELS = (
    Channel(
        ENGINE_SPEED,
        "rpm",
        (
            "rpm",
            "engine rpm",
            "engine speed",
            "enginerpm",
            "enginespeed",
            "engine/rpm",
            "engine speed (rpm)",
            "digital rpm 1",
            "digital rpm 2",
        ),
        "rpm",
    ),
    Channel(POWER, "hp", ("horsepower", "hp", "power", "engine power", "power (uncorrected)"), "horsepower"),
    Channel(TORQUE, "ft-lb", ("torque", "tq", "torque ftlb", "torque (uncorrected)"), "torque"),
    Channel(TORQUE, "N·m", ("torque nm",), "torque"),
    Channel(
        MIXTURE,
        "AFR",
        ("afr", "afr1", "afr 1", "act afr", "air/fuel ratio 1", "air fuel", "lc1 volts petrol afr", "wb volts petrol afr"),
        "afr",
    ),
    Channel(MIXTURE, "AFR", ("afr front", "afr f", "afr meas f", "measured afr f", "wbo2 f", "wbo2 afr front"), "afr_front"),
    Channel(
        MIXTURE,
        "AFR",
        (
            "afr rear",
            "afr r",
            "afr meas r",
            "measured afr r",
            "wbo2 r",
            "wbo2 afr rear",
            "afr2",
            "afr 2",
            "air/fuel ratio 2",
            "lc2 volts petrol afr2",
        ),
        "afr_rear",
    ),
    Channel(MIXTURE, "AFR", ("desired air/fuel",)),
    Channel(MIXTURE, "lambda", ("lambda", "lambda value", "at lambda 1"), "afr"),
    Channel(MIXTURE, "lambda", ("desired lambda", "set lambda")),
    Channel(MANIFOLD, "kPa", ("map kpa", "map", "manifold absolute pressure", "engine/map"), "map_kpa"),
    Channel(MANIFOLD, "psi", ("map psi",), "map_kpa"),
    Channel(THROTTLE, "%", ("tps", "tp", "throttle", "throttle position", "engine/tps"), "tps"),
    Channel(INTAKE_AIR, "°F", ("iat", "iat f", "intake air temperature", "intake air temp"), "iat"),
    Channel(INTAKE_AIR, "°C", ("iat c",), "iat"),
    Channel(
        COOLANT, "°F", ("ect", "ect f", "et", "clt", "engine temp", "engine temperature", "coolant temp", "coolant temperature"), "ect"
    ),
    Channel(COOLANT, "°C", ("ect c",), "ect"),
    Channel(SPEED, "mph", ("speed mph", "speed", "vehicle speed", "vss"), "speed_mph"),
    Channel(FORCE, "lbf", ("force lbs", "force drum 1", "force"), "force_lbs"),
    Channel(ACCELERATION, "g", ("acceleration", "acceleration g", "accel"), "acceleration"),
    Channel(DRUM_SPEED, "rpm", ("rpm drum", "drum rpm")),
    Channel(BATTERY, "V", ("battery voltage", "b+", "vbatt", "voltage")),
    Channel(KNOCK, "", ("knock",)),
    Channel(BAROMETER, "inHg", ("barometric", "barometric inhg", "barometric pressure", "baro")),
    Channel(HUMIDITY, "%", ("humidity",)),
    Channel(AMBIENT, "°F", ("ambient temp f", "ambient temperature", "ambient temp")),
)
"""001's sensors first, then those of its public code. Names are those seen in logs and on networks."""

_BY_NAME: Mapping[str, Channel] = {name: channel for channel in CHANNELS for name in channel.names}


def plain_name(channel: str) -> str:
    """A name as the table has it: without the device in front, `(DWRT CPU) Engine RPM`, in small letters, `_` as a space."""
    return _SPACE.sub(" ", _DEVICE.sub("", channel.strip())).casefold()


@lru_cache(REMEMBERED)
def listed(channel: str) -> Channel | None:
    """The entry that lists a channel's name; a part of a name says nothing."""
    return _BY_NAME.get(plain_name(channel))


@lru_cache(REMEMBERED)
def limits_for(channel: str, unit: str = "") -> Limits:
    """What values of a channel are compared with, in the unit that is stated with them, or else in the listed one.

    Nothing (`OPEN`) where the name is not listed. A stated unit that the sensor cannot have makes every value unusual.
    """
    found = listed(channel)
    if found is None:
        return OPEN
    for limits in found.sensor.limits:
        try:
            return limits.stated_in(unit.strip() or found.unit)
        except NotConvertible:
            continue
    return replace(OPEN, unit=unit, warn_low=inf, remark=f"{unit} is no unit of {found.sensor.name} that is known here")
