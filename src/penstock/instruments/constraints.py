"""What settings may be, as their annotations say it, and how it is told what does not fit."""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, ValidationError, convert

from penstock.engine.configuration import FaultySettings
from penstock.reliability.settings import LONGEST, is_number

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Count: TypeAlias = Annotated[int, Meta(ge=1)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=LONGEST)]
Share: TypeAlias = Annotated[float, Meta(gt=0, le=1)]


def require(settings: DataclassInstance, *also: str, but: str = "") -> None:
    """Raise `FaultySettings` with every field, `but` one, that does not fit its annotation, and what is `also` wrong, unless empty."""
    found = [(name, misfit(hint, getattr(settings, name))) for name, hint in hints(type(settings)).items() if name != but]
    if faults := [*(f"{name}: {wrong}" for name, wrong in found if wrong), *filter(None, also)]:
        raise FaultySettings(faults)


def exceeds(settings: DataclassInstance, less: str, more: str) -> bool:
    """Whether one field is greater than another, as far as both are numbers."""
    one, other = getattr(settings, less), getattr(settings, more)
    return is_number(one) and is_number(other) and one > other


def hints(kind: type) -> dict[str, Any]:
    """The annotation of each field."""
    return get_type_hints(kind, include_extras=True)


def dataclass_in(hint: object) -> type | None:
    """The dataclass of an annotation, alone or beside None."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return next((one for one in members if isinstance(one, type) and is_dataclass(one)), None)


def misfit(hint: object, value: object) -> str:
    """Why a value does not fit an annotation, as a clause; empty where it does. Values are not shown: some may be secrets."""
    if kind := dataclass_in(hint):
        fits = isinstance(value, kind) or (value is None and hint is not kind)
        return "" if fits else f"expected `{kind.__name__}`"
    try:
        fitting(hint, value)
    except UnicodeEncodeError:  # halves of characters, which JSON may spell
        return _choices(hint) or "expected text that can be stored"
    except ValidationError as error:
        return _choices(hint) or f"e{str(error)[1:]}"
    return ""


def fitting(hint: object, value: object) -> Any:  # noqa: ANN401 - it is whatever the annotation says
    """The value as what the annotation says: a list becomes a tuple, a text a path or an address."""
    return convert(value, _plain(hint), dec_hook=_out_of_text)


def _out_of_text(kind: type, value: object) -> Any:  # noqa: ANN401 - as above
    if not isinstance(value, str | kind):
        raise TypeError(f"Expected `{kind.__name__}`")
    return kind(value) if isinstance(value, str) else value


def _plain(hint: object) -> Any:  # noqa: ANN401 - annotations have no type of their own
    """The annotation without paths beside text: the file knows only text."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    return reduce(or_, (one for one in members if one is not Path)) if {Path, str} <= {*members} else hint


def _choices(hint: object) -> str:
    members = [hint, *get_args(hint)]
    names = [repr(name) for one in members if get_origin(one) is Literal for name in get_args(one)]
    return f"expected {' or '.join(names)}" if names else ""
