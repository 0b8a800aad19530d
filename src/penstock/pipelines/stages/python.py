"""Rows through a function of the user's: a dictionary in, a dictionary out, or None to leave the row out."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.pipelines.stages.step import Cause, Sifted, Step, row_by_row
from penstock.ports.flow import RAW_COLUMN
from penstock.stores.columns import named, record_batch

Row = dict[str, Any]
Function = Callable[[Row], object]


class NoSuchFunction(ValueError):
    """What a python stage names cannot be called."""


@dataclass(frozen=True, slots=True)
class Python:
    """A function of rows. `columns` says by name and type which columns its rows have; None: those that it is given.

    It is called for one row at a time, in no certain order, and again for the same row after a kill: it has to give the same each time.
    """

    place: str
    function: Function
    columns: Mapping[str, str] | None = None

    def bind(self, schema: pa.Schema) -> Step:
        """See `Stage`."""
        if self.columns is None:
            return _Calling(self.place, schema, self.function)
        metadata = {key: value for key, value in (schema.metadata or {}).items() if key != RAW_COLUMN or value.decode() in self.columns}
        return _Calling(self.place, pa.schema([named(name, kind) for name, kind in self.columns.items()], metadata), self.function)


@dataclass(frozen=True, slots=True)
class _Calling:
    place: str
    schema: pa.Schema
    function: Function
    left_out: Cause = "filtered"
    remembers: bool = False

    def apply(self, rows: pa.RecordBatch, state: bytes) -> Sifted:
        del state
        given = [self._called(row) for row in rows.to_pylist()]
        called = [(number, one) for number, one in enumerate(given) if isinstance(one, dict)]
        fitted = self._fitted([row for _, row in called])
        numbers = np.array([number for number, _ in called], np.int64)
        refused = [(number, one) for number, one in enumerate(given) if isinstance(one, str)]
        refused += [(int(numbers[number]), reason) for number, reason in fitted.refused]
        return Sifted(fitted.rows, numbers if fitted.kept is None else numbers[fitted.kept], tuple(sorted(refused)))

    def _called(self, row: Row) -> Row | str | None:
        """What the function gives; a text that says why the row is refused."""
        try:
            given = self.function(row)
        except Exception as error:  # noqa: BLE001 - somebody else's function may raise whatever it likes; the row is kept with the reason
            return f"{self.function.__qualname__} raised {type(error).__name__}: {error}"
        if given is None:
            return None
        if not isinstance(given, dict):
            return f"{self.function.__qualname__} gave a {type(given).__name__}, no dictionary"
        if unknown := given.keys() - set(self.schema.names):
            return f"{self.function.__qualname__} gave `{min(map(str, unknown))}`, which is not among its columns"
        return given

    def _fitted(self, given: list[Row]) -> Sifted:
        """The dictionaries as rows; those with a value that is none of its column's type are refused."""
        numbers = pa.record_batch({"number": np.arange(len(given))})
        return row_by_row(numbers, lambda part: record_batch([given[number] for number in part.column(0).to_pylist()], self.schema))


def imported(name: str, folder: Path) -> Function:
    """The function `module.function`, of a module that is installed or lies in `folder`.

    Raises:
        NoSuchFunction: with what is wrong about it.
    """
    module_name, _, function_name = name.rpartition(".")
    if not module_name:
        raise NoSuchFunction(f"`{name}` names no module; write module.function")
    sys.path.insert(0, str(folder))
    try:
        function = getattr(importlib.import_module(module_name), function_name, None)
    except Exception as error:  # somebody else's module may raise whatever it likes while it is imported
        raise NoSuchFunction(f"the module `{module_name}` cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(folder))
    if not callable(function):
        raise NoSuchFunction(f"the module `{module_name}` has no function `{function_name}`")
    return function  # type: ignore[no-any-return]  # it can be called, and what it gives is looked at
