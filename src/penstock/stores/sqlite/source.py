"""SQLite as a source: a table of a file, read in the order of a key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.model.coverage import Position, Span, missing
from penstock.ports.flow import Batch, Refusal
from penstock.ports.source import Partition, Plan, Progress, Scope
from penstock.stores import keyset
from penstock.stores.keyset import FIRST, KEYED, LAST, NO_KEY_YET, turned
from penstock.stores.sqlite.cells import column
from penstock.stores.sqlite.column_types import arrow_field
from penstock.stores.sqlite.database import reading
from penstock.stores.sqlite.names import quoted
from penstock.stores.tables import NoSuchKey, NoSuchTable, RowsWithoutKey

PARTITION_ROWS = 250_000
PAGE_ROWS = 10_000
COLUMNS = 'select name, type, "notnull" as required, pk from pragma_table_info(?)'


@dataclass(frozen=True, slots=True)
class SqliteSource:
    """Rows of a table by a key of whole numbers or of texts, each page as it is at the moment when it is read.

    With whole numbers the scope ends at the greatest key there is when it is frozen, and a later run reads on from there. What is committed
    later below that, or under a text, is not seen; the number of rows that was stated shows it.
    """

    path: Path
    table: str
    key: str
    fields: tuple[pa.Field, ...]
    numbers: bool
    page_rows: int = PAGE_ROWS
    partition_rows: int = PARTITION_ROWS
    releasing = growing = None

    @classmethod
    def found(cls, path: Path, table: str, key: str | None) -> SqliteSource:
        """The source, after a look at the table; blocks while it looks.

        Raises:
            NoSuchTable: there is none.
            NoSuchKey: it has no such column.
        """
        with reading(path) as connection:
            rows = connection.execute(COLUMNS, (table,)).fetchall()
            if not rows:
                raise NoSuchTable(f"{path}: {table}")
            primary = [row["name"] for row in rows if row["pk"]]
            key = key or (primary[0] if len(primary) == 1 else "rowid")
            if key != "rowid" and key not in {row["name"] for row in rows}:
                raise NoSuchKey(f"{path}: {table} has no column {key}")
            found = connection.execute(f"select typeof({quoted(key)}) from {quoted(table)} limit 1").fetchone()
        fields = tuple(arrow_field(row["name"], row["type"], nullable=not row["required"]) for row in rows)
        return cls(path, table, key, fields, found is None or found[0] == "integer")

    @property
    def splitting(self) -> None:
        """Partitions are cut evenly between the least and the greatest key."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table."""
        return pa.schema(self.fields)

    @property
    def epoch(self) -> str:
        """The numbering: the order of one column."""
        return f"{self.table} by {self.key}"

    async def plan(self, done: Progress) -> Plan:
        """Freeze the scope, or widen one that is whole by what is newer."""
        scope = done.scope
        if scope is None or (self.numbers and not list(missing(done.coverage, scope.span))):
            scope = await asyncio.to_thread(self._scope, scope)
        spans = list(missing(done.coverage, scope.span))
        cuts = await asyncio.to_thread(self._cuts, scope) if spans else []
        pieces = [piece for span in spans for piece in keyset.cut(span, cuts)]
        return Plan(scope, tuple(Partition(number, piece.start, piece.end) for number, piece in enumerate(pieces)))

    def _scope(self, before: Scope | None) -> Scope:
        kind, key = ("integer" if self.numbers else "text"), quoted(self.key)
        with reading(self.path) as connection:
            sql = f"select count(*) as rows, max({key}) as newest, sum(typeof({key}) <> ?) as keyless from {quoted(self.table)}"
            found = connection.execute(sql, (kind,)).fetchone()
        if found["keyless"]:
            raise RowsWithoutKey(f"{self.table}: in {found['keyless']:,} rows {self.key} is no {kind}")
        if not self.numbers:
            end = Position(self.epoch, LAST)
        else:
            end = Position(self.epoch, NO_KEY_YET) if found["newest"] is None else self._behind(found["newest"])
        if before is not None and end.order <= before.span.end.order:
            return before
        return Scope(Span(Position(self.epoch, FIRST), end), found["rows"])

    def _cuts(self, scope: Scope) -> list[Position]:
        wanted = -(-(scope.rows or 0) // self.partition_rows)
        if wanted <= 1 or not self.numbers:
            return []
        with reading(self.path) as connection:
            key = quoted(self.key)
            least, most = connection.execute(f"select min({key}), max({key}) from {quoted(self.table)}").fetchone()
        return [self._behind(least + (most - least) * number // wanted) for number in range(1, wanted)]

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """Pages of about `page_rows` rows; rows with the same key are on the same page."""
        at = partition.start
        while at != partition.end:
            batch = await asyncio.to_thread(self._page, at, partition.end)
            yield batch
            at = batch.upto

    def _page(self, start: Position, end: Position) -> Batch:
        names = ", ".join([f"{quoted(self.key)} as penstock_key", *(quoted(field.name) for field in self.fields)])
        condition, values = self._within(start, end)
        page = f"select {names} from {quoted(self.table)} where {condition} order by penstock_key collate binary limit {self.page_rows}"
        with reading(self.path) as connection:
            rows = [tuple(row) for row in connection.execute(page, values)]
            last = len(rows) < self.page_rows
            if not last:  # the last key may have more rows
                newest = rows[-1][0]
                rows = [row for row in rows if row[0] != newest]
                ties = f"select {names} from {quoted(self.table)} where {quoted(self.key)} = ? collate binary"
                rows += [tuple(row) for row in connection.execute(ties, (newest,))]
        return self._batch(rows, start, end if last else self._behind(rows[-1][0]))

    def _batch(self, rows: Sequence[tuple[Any, ...]], start: Position, upto: Position) -> Batch:
        bad: dict[int, str] = {}
        columns = list(zip(*rows, strict=True))[1:] if rows else [()] * len(self.fields)
        arrays = [column(values, field, bad) for values, field in zip(columns, self.fields, strict=True)]
        refused = tuple(
            Refusal(row, self._raw(rows[row]), reason, f"{self.table}, {self.key} {rows[row][0]}") for row, reason in sorted(bad.items())
        )
        good = pa.array([row for row in range(len(rows)) if row not in bad], pa.int64())
        arrays = [array.take(good) if bad else array for array in arrays]
        return Batch(pa.RecordBatch.from_arrays(arrays, schema=self.schema), refused, start, upto)

    def _raw(self, row: tuple[Any, ...]) -> bytes:
        values = {field.name: value for field, value in zip(self.fields, row[1:], strict=True)}
        return json.dumps(values, default=_hex).encode(errors="surrogateescape")

    def _within(self, start: Position, end: Position) -> tuple[str, list[object]]:
        key, parts, values = f"{quoted(self.key)} collate binary", ["1"], list[object]()
        if start.order[:1] == KEYED:
            parts.append(f"{key} > ?")
            values.append(self._key(start))
        if end.order[:1] == KEYED:
            parts.append(f"{key} <= ?")
            values.append(self._key(end))
        elif end.order[:1] == FIRST:
            parts.append("0")
        return " and ".join(parts), values

    def _behind(self, key: int | str) -> Position:
        order = turned(key.to_bytes(8, "big", signed=True)) if isinstance(key, int) else key.encode(errors="surrogateescape")
        return Position(self.epoch, KEYED + order)

    def _key(self, position: Position) -> object:
        order = position.order[1:]
        return int.from_bytes(turned(order), "big", signed=True) if self.numbers else order.decode(errors="surrogateescape")


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
