"""Units of measurement by their symbols, and how one becomes another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.model.errors import Refused


class NotConvertible(Refused):
    """One unit cannot be converted into the other."""

    default_hint = "Both have to be listed units of the same quantity; the listed ones are in `penstock.model.units`."


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of `quantity`: `value * scale + offset` is the value in the first unit that is listed for the quantity."""

    quantity: str
    scale: float = 1.0
    offset: float = 0.0


UNITS: Mapping[str, Unit] = {
    "rpm": Unit("rotation"),
    "km/h": Unit("speed"),
    "mph": Unit("speed", 1.609344),
    "N": Unit("force"),
    "lbf": Unit("force", 4.4482216152605),
    "kW": Unit("power"),
    "hp": Unit("power", 0.745699871582270),
    "N·m": Unit("torque"),
    "ft-lb": Unit("torque", 1.3558179483314004),
    "°C": Unit("temperature"),
    "°F": Unit("temperature", 1 / 1.8, -32 / 1.8),
    "kPa": Unit("pressure"),
    "psi": Unit("pressure", 6.894757293168361),
    "inHg": Unit("pressure", 3.386388640341),
    "g": Unit("acceleration"),
    "km/h/s": Unit("acceleration", 1 / (3.6 * 9.80665)),
    "mph/s": Unit("acceleration", 1.609344 / (3.6 * 9.80665)),
    "AFR": Unit("air to fuel"),
    "lambda": Unit("lambda"),
    "V": Unit("voltage"),
    "%": Unit("share"),
}
"""International feet, pounds and inches of mercury at 0 °C, mechanical horsepower, standard gravity. An air/fuel ratio and lambda are two
quantities: what joins them is the fuel."""

_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "km/h": ("kph", "kmh"),
    "lbf": ("lb", "lbs"),
    "N·m": ("Nm", "N-m", "N*m"),
    "ft-lb": ("ftlb", "ft·lb", "lb-ft", "ft-lbs", "lbf·ft"),
    "°C": ("C", "degC", "deg C"),
    "°F": ("F", "degF", "deg F"),
    "km/h/s": ("kph/s",),
    "lambda": ("λ",),
    "V": ("volt", "volts"),
    "%": ("percent",),
}

_KNOWN: Mapping[str, str] = {spelling.casefold(): symbol for symbol in UNITS for spelling in (symbol, *_SPELLINGS.get(symbol, ()))}


def symbol(text: str) -> str:
    """The symbol of a unit that may be spelled in another way, as `degF` or `HP`; empty where it is not listed."""
    return _KNOWN.get(text.strip().casefold(), "")


def factors(of: str, to: str) -> tuple[float, float]:
    """`scale` and `offset`: `value * scale + offset` is in `to` what `value` is in `of`.

    Raises:
        NotConvertible: one of the two is not listed, or they are units of different quantities.
    """
    one, other = UNITS.get(symbol(of)), UNITS.get(symbol(to))
    if one is None or other is None or one.quantity != other.quantity:
        raise NotConvertible(f"{of or 'no unit'} into {to or 'no unit'}")
    return (1.0, 0.0) if one is other else (one.scale / other.scale, (one.offset - other.offset) / other.scale)


def convert(value: float, of: str, to: str) -> float:
    """A value in another unit; raises `NotConvertible`."""
    scale, offset = factors(of, to)
    return value * scale + offset
