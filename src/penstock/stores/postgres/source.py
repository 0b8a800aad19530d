"""PostgreSQL as a source: a table, read in the order of a key."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pyarrow as pa

from penstock.model.coverage import Position, Span, missing
from penstock.model.errors import Fatal
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Plan, Progress, Scope
from penstock.stores import keyset
from penstock.stores.keyset import FIRST, LAST, NO_KEY_YET
from penstock.stores.postgres import reading, shape
from penstock.stores.postgres.census import SCAN_TIMEOUT_S
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.keys import Key
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.reading import Answer, Read
from penstock.stores.tables import NoSuchKey, NoSuchTable, RowsWithoutKey

if TYPE_CHECKING:
    from penstock.stores.postgres.connections import Connection

PARTITION_ROWS = 250_000
FIRST_PAGE_ROWS, PAGE_ROWS = 4_000, 50_000
PAGE_BYTES = 8 << 20
SAMPLED_ROWS = 20_000

SAMPLED = "select relkind::text in ('r', 'm') from pg_class where oid = to_regclass($1)"

PRIMARY = """
    select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)
    where indrelid = to_regclass($1) and indisprimary"""


class RowTooLong(Fatal):
    """The server cannot send a row: an answer has at most a gigabyte."""

    default_hint = "Read a view that leaves the long values out, or cuts them."


@dataclass(frozen=True, slots=True)
class PostgresSource:
    """Rows of a table by their key, each page as it is at the moment when it is read.

    Where keys grow (numbers, times) the scope ends at the greatest key there is when it is frozen, and a later run reads on from there.
    Rows that are committed later below that, or under keys that do not grow, are not seen; the number of rows that was stated shows it.
    """

    connections: Connections
    name: TableName
    key: Key
    reads: Sequence[Read]
    page_rows: int = PAGE_ROWS
    partition_rows: int = PARTITION_ROWS
    releasing = growing = None

    @classmethod
    async def found(cls, connections: Connections, name: TableName, key: str | None) -> PostgresSource:
        """The source, after a look at the table's columns.

        Raises:
            NoSuchTable: there is none.
            NoSuchKey: it has no such column, or none was named and it has no primary key of one column.
            NoSuchKeyType: a table cannot be read by that.
        """
        async with connections.take() as connection:
            columns = await shape.columns(connection, name)
            primary = await _primary_key(connection, name)
        if not columns:
            raise NoSuchTable(str(name))
        key = key or (primary[0] if len(primary) == 1 else None)
        if key is None or key not in columns:
            raise NoSuchKey(f"{name}: {key or 'no key is set, and it has no primary key of one column'}")
        return cls(connections, name, Key.of(key, columns[key].type, str(name)), reading.columns(columns))

    @property
    def splitting(self) -> None:
        """Partitions are cut by a sample of the keys, evenly."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table."""
        return pa.schema([read.field for read in self.reads])

    async def plan(self, done: Progress) -> Plan:
        """Freeze the scope, or widen one that is whole by what is newer; cut by a sample of the keys."""
        scope = done.scope
        if scope is None or (self.key.kind.grows and not list(missing(done.coverage, scope.span))):
            scope = await self._scope(scope)
        spans = list(missing(done.coverage, scope.span))
        cuts = await self._cuts(scope) if spans else []
        pieces = [piece for span in spans for piece in keyset.cut(span, cuts)]
        return Plan(scope, tuple(Partition(number, piece.start, piece.end) for number, piece in enumerate(pieces)))

    async def _scope(self, before: Scope | None) -> Scope:
        """How far there are rows now, and how many."""
        key, grows = self.key.sql, self.key.kind.grows
        newest, sent = (f"max({key})", self.key.kind.send.format("newest")) if grows else ("null", "newest")
        counted = f"select {newest} as newest, count(*) as rows, count(*) - count({key}) as keyless from {self.name.sql}"
        sql = f"select {sent} as newest, rows, keyless from ({counted}) counted"
        async with self.connections.take() as connection:
            found = await connection.fetchrow(sql, timeout=SCAN_TIMEOUT_S)
        assert found is not None
        if found["keyless"]:
            raise RowsWithoutKey(f"{self.name}: {found['keyless']:,} rows have null in {self.key.name}")
        end = self._end(found["newest"])
        if before is not None and end.order <= before.span.end.order:
            return before
        return Scope(Span(self.key.position(FIRST), end), found["rows"])

    def _end(self, newest: bytes | None) -> Position:
        if not self.key.kind.grows:
            return self.key.position(LAST)
        return self.key.position(NO_KEY_YET) if newest is None else self.key.behind(newest)

    async def _cuts(self, scope: Scope) -> list[Position]:
        """Keys in rising order that have about `partition_rows` rows between them."""
        wanted = -(-(scope.rows or 0) // self.partition_rows)
        if wanted <= 1:
            return []
        percent = min(100.0, 100.0 * SAMPLED_ROWS / (scope.rows or 1))
        async with self.connections.take() as connection:
            if not await connection.fetchval(SAMPLED, self.name.sql):
                return []  # a view
            rows = await connection.fetch(
                f"select {self.key.sent} as key from {self.name.sql} tablesample system ({percent}) repeatable (0)", timeout=SCAN_TIMEOUT_S
            )
        keys = sorted({self.key.behind(row["key"]).order for row in rows})
        return [self.key.position(keys[len(keys) * number // wanted]) for number in range(1, wanted)] if len(keys) > wanted else []

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """Pages of about `PAGE_BYTES`; rows with the same key are on the same page."""
        at, rows = partition.start, min(self.page_rows, FIRST_PAGE_ROWS)
        while at != partition.end:
            answer = await self._page(at, partition.end, rows)
            if answer is None:
                rows = max(1, rows // 8)
                continue
            page = reading.decoded(self.reads, answer, str(self.name))
            upto = self.key.behind(reading.last_sent(self.reads, answer, self.key.name)) if answer.rows >= rows else partition.end
            yield Batch(page.rows, page.refused, at, upto)
            at, rows = upto, max(1, min(self.page_rows, 8 * rows, PAGE_BYTES * rows // max(1, answer.size)))

    async def _page(self, start: Position, end: Position, rows: int) -> Answer | None:
        """What the server answers; None where that is longer than it can send, and fewer rows may do."""
        sql = reading.page_sql(self.reads, self.name.sql, self.key.within(start, end), self.key.sql, rows)
        async with self.connections.take() as connection:
            try:
                found = await connection.fetchrow(sql, timeout=SCAN_TIMEOUT_S)
            except asyncpg.ProgramLimitExceededError as error:
                if rows == 1:
                    raise RowTooLong(f"{self.name}: {error}") from error
                return None
        assert found is not None
        return Answer.of(found.values(), len(self.reads))


async def _primary_key(connection: Connection, name: TableName) -> list[str]:
    return [row["attname"] for row in await connection.fetch(PRIMARY, name.sql)]
