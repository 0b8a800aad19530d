"""Stages out of the tables of a pipeline file, with everything that is wrong about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from penstock.model.naming import near
from penstock.pipelines import lines
from penstock.pipelines.stages.cast import Cast, column_type
from penstock.pipelines.stages.dedupe import Dedupe
from penstock.pipelines.stages.expression import Expression, NotUnderstood
from penstock.pipelines.stages.filter import Filter
from penstock.pipelines.stages.python import NoSuchFunction, Python, imported
from penstock.pipelines.stages.rename import Rename
from penstock.pipelines.stages.step import Stage
from penstock.stores.columns import UnknownType, named

Wrong = Callable[[lines.Path, str], None]
"""Takes note of a fault at a place of the file."""

KINDS = ("rename", "cast", "filter", "dedupe", "python")


def stage(number: int, table: Mapping[str, Any], folder: Path, wrong: Wrong) -> Stage | None:
    """Stage `number`, counted from 0; None where something is wrong about it, which is told to `wrong`."""
    path: lines.Path = ("stages", number)
    said = [key for key in table if key in KINDS]
    for key in table:
        if key not in KINDS and not (key == "columns" and "python" in said):
            wrong((*path, key), f"`{key}` is no stage{near(key, KINDS)}")
    if len(said) != 1:
        if said or not table:
            wrong(path, f"a stage is one of {', '.join(KINDS)}; this one has {' and '.join(said) or 'none of them'}")
        return None
    kind = said[0]
    place, value, path = f"stage {number + 1} ({kind})", table[kind], (*path, kind)
    match kind:
        case "rename":
            return Rename(place, value) if _texts(value, path, wrong) else None
        case "cast":
            return Cast(place, value) if _types(value, path, wrong) else None
        case "dedupe":
            return Dedupe(place, tuple(value)) if _names(value, path, wrong) else None
        case "filter":
            return _filter(place, value, path, wrong)
        case _:
            return _python(place, table, folder, wrong, path)


def _filter(place: str, value: object, path: lines.Path, wrong: Wrong) -> Stage | None:
    if not isinstance(value, str):
        wrong(path, 'a filter is an expression in quotes, as in filter = "amount > 0"')
        return None
    try:
        return Filter(place, Expression.of(value))
    except NotUnderstood as error:
        wrong(path, str(error))
        return None


def _python(place: str, table: Mapping[str, Any], folder: Path, wrong: Wrong, path: lines.Path) -> Stage | None:
    columns = table.get("columns")
    fits = columns is None or _types(columns, (*path[:-1], "columns"), wrong, named)
    if not isinstance(table["python"], str):
        wrong(path, "a python stage names a function in quotes, as in python = 'module.function'")
        return None
    try:
        return Python(place, imported(table["python"], folder), columns) if fits else None
    except NoSuchFunction as error:
        wrong(path, str(error))
        return None


def _names(value: object, path: lines.Path, wrong: Wrong) -> bool:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return True
    wrong(path, f'{path[-1]} is a list of columns, as in {path[-1]} = ["id"]')
    return False


def _texts(value: object, path: lines.Path, wrong: Wrong) -> bool:
    if isinstance(value, dict) and value and all(isinstance(one, str) for one in value.values()):
        return True
    example = "occurred_at" if path[-1] == "rename" else "timestamp"
    wrong(path, f'{path[-1]} is a table of columns, as in {path[-1]} = {{ ts = "{example}" }}')
    return False


def _types(value: object, path: lines.Path, wrong: Wrong, read: Callable[[str, str], object] = column_type) -> bool:
    if not _texts(value, path, wrong):
        return False
    assert isinstance(value, dict)
    fits = True
    for name, type_name in value.items():
        try:
            read(name, type_name)
        except UnknownType as error:
            wrong((*path, name), f"`{type_name}` is no type of column; {error.hint[0].lower()}{error.hint[1:]}")
            fits = False
    return fits
