"""Values of a SQLite column, each of which may be of any type, as an Arrow column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from penstock.stores.columns import is_json, parse, said

Cell = int | float | str | bytes | None

_ACCEPTED: dict[pa.DataType, tuple[type, ...]] = {
    pa.bool_(): (int,),
    pa.int64(): (int,),
    pa.float64(): (float, int),
    pa.string(): (str, int, float),
    pa.binary(): (bytes,),
}
"""What may stand in a column of a type; all others are kept as text, and read out of it."""


def column(values: Sequence[Cell], field: pa.Field, bad: dict[int, str]) -> pa.Array:
    """An Arrow column; numbers of values that do not fit it, and why, are added to `bad`, and stand as null in the column."""
    accepted = (str,) if is_json(field) else _ACCEPTED.get(field.type, (str,))
    cells: list[Any] = list(values)
    if not set(map(type, cells)) <= {*accepted, type(None)}:
        _strike(cells, field, bad, [row for row, cell in enumerate(cells) if cell is not None and type(cell) not in accepted])
    if field.type == pa.bool_():
        _strike(cells, field, bad, [row for row, cell in enumerate(cells) if cell not in (0, 1, None)])
        return pa.array([None if cell is None else bool(cell) for cell in cells], pa.bool_())
    if accepted != (str,) and field.type != pa.string():
        return pa.array(cells, field.type)
    texts = _texts(cells, field, bad)
    if field.type == pa.string() and not is_json(field):
        return texts
    found, strange = parse(texts, field)
    _strike(cells, field, bad, strange)
    return found


def _texts(cells: list[Any], field: pa.Field, bad: dict[int, str]) -> pa.Array:
    cells[:] = [str(cell) if isinstance(cell, (int, float)) else cell for cell in cells]
    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:
        _strike(cells, field, bad, [row for row, cell in enumerate(cells) if cell is not None and not _is_utf8(cell)])
        return pa.array(cells, pa.string())


def _strike(cells: list[Any], field: pa.Field, bad: dict[int, str], rows: Sequence[int]) -> None:
    for row in rows:
        bad.setdefault(row, f"{field.name}: {str(cells[row])[:60]!r} is no {said(field)}")
        cells[row] = None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
