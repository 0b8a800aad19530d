"""Penstock: an ingestion engine that loses nothing, stores nothing twice, and proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike
    from typing import Any, TypeAlias

    import pyarrow as pa

    from penstock.pipelines.job import Ending
    from penstock.ports.ends import Mode
    from penstock.ports.source import Source

    Given: TypeAlias = str | PathLike[str] | Iterable[Mapping[str, Any]] | pa.Table | pa.RecordBatchReader | Source

__version__ = "0.1.0"


def run(rows: Given, to: str = "", table: str = "", key: str | Sequence[str] = (), mode: Mode | None = None) -> Ending:
    """Carry rows to where `to` says, or run the pipeline file that `rows` names, and return how it ended.

    Rows are dictionaries (any iterable of them), an Arrow table or reader, or what exports one such as a data frame, or a
    `penstock.ports.source.Source`. `to` is `postgresql://…` with a `table`, or a file that ends in `.db`, `.parquet`, `.csv` or `.jsonl`.
    With `key` a row takes the place of the one with the same key; without, `mode` says whether rows are added or take the place of all.

    What a program holds begins anew with each call. With a key, or in mode replace, that is exactly once however often it is called, also
    after a call that was killed; in mode append a call that was killed has added a part of its rows, and the next one adds all of them.
    Rows of a list or a table are read again when a connection breaks; an iterable that can be gone through only once cannot be, and the
    call raises `RowsGone` then. A `Source` and a pipeline file go on where an earlier call stopped.

    Raises:
        PenstockError: with what happened and what to do; `NotComplete` where the evidence does not hold.
    """
    from penstock.pipelines import calling  # noqa: PLC0415 - `import penstock` stays light

    return calling.run(rows, to, table, (key,) if isinstance(key, str) and key else tuple(key), mode)
