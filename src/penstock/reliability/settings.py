"""What settings may be; all that is wrong with some is told at once, each by its name and with what it has to be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from penstock.model.errors import Misconfigured

LONGEST = 1e9
"""Of a number that has to be finite; as seconds about thirty years."""

Wanted: TypeAlias = tuple[Callable[[Any], bool], str]
"""What fits a setting, and that in words."""


class UnusableSettings(Misconfigured):
    """Settings are not usable."""

    default_hint = "Make each setting that is named what it has to be; nothing was started."


def whole(least: int = 1) -> Wanted:
    """A whole number, not less than `least`."""
    return (lambda value: type(value) is int and value >= least), f"a whole number, at least {least}"


def above(low: float, most: float = LONGEST) -> Wanted:
    """A number greater than `low`, and up to `most`, which may be infinity."""
    return (lambda value: is_number(value) and low < value <= most), f"a number above {low:g}{_up_to(most)}"


def at_least(least: float, most: float = LONGEST) -> Wanted:
    """A number from `least` to `most`, which may be infinity."""
    return (lambda value: is_number(value) and least <= value <= most), f"a number, at least {least:g}{_up_to(most)}"


def between(low: float, high: float) -> Wanted:
    """A number greater than `low` and less than `high`."""
    return (lambda value: is_number(value) and low < value < high), f"a number between {low:g} and {high:g}"


def is_number(value: object) -> bool:
    """Whether it is one, and not `True` or NaN."""
    return isinstance(value, int | float) and type(value) is not bool and value == value  # noqa: PLR0124 - NaN is not


def require(what: str, settings: object, wanted: Mapping[str, Wanted], *ordered: tuple[str, str]) -> None:
    """Raise `UnusableSettings` with every setting of `settings` that does not fit; of each pair in `ordered` the first is not the greater.

    `what` says whose settings they are.
    """
    found = {name: getattr(settings, name) for name in wanted}
    misfits = {name: said for name, (fits, said) in wanted.items() if not fits(found[name])}
    faults = [f"{name} has to be {said}, and is {found[name]!r}" for name, said in misfits.items()]
    pairs = [(less, more) for less, more in ordered if misfits.keys().isdisjoint((less, more)) and found[less] > found[more]]
    faults += [f"{less} ({found[less]:g}) is greater than {more} ({found[more]:g})" for less, more in pairs]
    if faults:
        raise UnusableSettings(f"{what}: {'; '.join(faults)}")


def _up_to(most: float) -> str:
    return f" and at most {most:g}" if math.isfinite(most) else ""
