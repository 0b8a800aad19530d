"""Settings out of flags, environment and `.env`, in that order; every fault is listed, with its place."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from penstock.model.errors import Misconfigured

T = TypeVar("T")


class FaultySettings(Misconfigured):
    """Some settings are not usable."""

    default_hint = "Mend what is listed; nothing was touched."

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n  ".join(["", *faults]) if len(faults) > 1 else faults[0])
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and where it was given."""

    value: str
    place: str


def gather(
    kind: type[Any], flags: Mapping[str, str | None], environ: Mapping[str, str] = os.environ, env_file: Path | None = None
) -> dict[str, Given]:
    """What is given for the fields of the dataclass `kind`: a field `batch_size` is `--batch-size` or `BATCH_SIZE`. Empty is not given.

    A field's metadata `variable` may give its variable another form, such as `PENSTOCK_{}`.

    Raises:
        FaultySettings: for lines of the file that are no assignments.
    """
    filed = {} if env_file is None else dict(_read(env_file))
    found: dict[str, Given] = {}
    for field in fields(kind):
        name = field.metadata.get("variable", "{}").format(field.name.upper())
        if (flag := flags.get(field.name)) is not None:
            found[field.name] = Given(flag, f"--{field.name.replace('_', '-')}")
        elif environ.get(name):
            found[field.name] = Given(environ[name], f"{name} in the environment")
        elif name in filed and filed[name].value:
            found[field.name] = filed[name]
    return found


@dataclass(frozen=True, slots=True)
class Wrong:
    """What does not fit, and the names and indexes that lead to it. Values themselves are not shown: some are secrets."""

    path: tuple[int | str, ...]
    message: str


def checked(kind: type[T], values: Mapping[str, object]) -> T | list[Wrong]:
    """An instance of the dataclass `kind`, or all that is wrong with the values; text becomes what the field is."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - the errors of this module are for installations without it, too

    try:
        return TypeAdapter(kind).validate_python(dict(values), strict=False)
    except ValidationError as error:
        return [Wrong(fault["loc"], _said(fault["msg"])) for fault in error.errors()]


def _said(message: str) -> str:
    """What pydantic says, without its own word for errors that a dataclass raised, within a sentence."""
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def settings(kind: type[T], given: Mapping[str, Given]) -> T:
    """An instance of the dataclass `kind`.

    Raises:
        FaultySettings: listing every value that does not fit, with its place.
    """
    found = checked(kind, {name: one.value for name, one in given.items()})
    if isinstance(found, list):
        raise FaultySettings([_fault(given, wrong) for wrong in found])
    return found


def _fault(given: Mapping[str, Given], wrong: Wrong) -> str:
    name = str(wrong.path[0]) if wrong.path else ""
    where = given[name].place if name in given else f"--{name.replace('_', '-')}"
    return f"{where}: {wrong.message}"


def _read(path: Path) -> Iterator[tuple[str, Given]]:
    """The assignments of a file in the format of `.env`; a folder of that name is none."""
    from dotenv.parser import parse_stream  # noqa: PLC0415 - only where there is such a file

    if not path.exists() or path.is_dir():
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FaultySettings([f"{path}: this is not UTF-8"]) from None
    except OSError as error:
        raise FaultySettings([f"{path}: {error.strerror}"]) from None
    for binding in parse_stream(io.StringIO(text)):
        line = binding.original.line + _blank_lines(binding.original.string)
        if binding.error:
            raise FaultySettings([f"{path}, line {line}: this is no NAME=value"])
        if binding.key is not None:
            yield binding.key, Given(binding.value or "", f"{binding.key} in {path}, line {line}")


def _blank_lines(text: str) -> int:
    """How many lines end before the first that is not blank; the parser counts them to what follows."""
    return text[: len(text) - len(text.lstrip())].count("\n")
