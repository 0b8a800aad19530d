"""Rows into a table of a SQLite file, in the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import compress

import pyarrow as pa

from penstock.ports.flow import Receipt, Verdict
from penstock.stores.columns import unsayable
from penstock.stores.sqlite import column_types
from penstock.stores.sqlite.names import quoted
from penstock.stores.sqlite.table import Table

Row = tuple[object, ...]


def load(connection: sqlite3.Connection, table: Table, rows: pa.Table) -> Receipt:
    """Store rows, the last of each key in mode upsert; those that the table turns away are refused, all others are there."""
    columns = {name: rows.column(name).combine_chunks() for name in rows.column_names}
    values: list[Row] = list(zip(*map(column_types.values, columns.values()), strict=True))
    refused = _refused(columns, table.key)
    fit = [number for number in range(rows.num_rows) if number not in refused]
    chosen = _last_of_each_key(values, fit, [name in table.key for name in columns]) if table.key else fit
    changed, turned_away = _written(connection, _sql(table, list(columns)), values, chosen)
    return Receipt(
        stored=changed,
        duplicate=len(fit) - len(chosen),
        unchanged=len(chosen) - len(turned_away) - changed,
        refused=tuple(Verdict(row, reason) for row, reason in sorted((refused | turned_away).items())),
    )


def _refused(columns: dict[str, pa.Array], key: Sequence[str]) -> dict[int, str]:
    """Rows that SQLite would store as something else, or without telling them apart, and why."""
    refused = {row: f"{name}: SQLite has no NaN" for name, column in columns.items() for row in column_types.unstorable(column)}
    refused |= unsayable(columns)
    for name in key:
        if columns[name].null_count:
            refused |= {row: f"{name}: the key is null" for row, value in enumerate(columns[name]) if not value.is_valid}
    return refused


def _last_of_each_key(values: Sequence[Row], numbers: Sequence[int], in_key: Sequence[bool]) -> list[int]:
    """Of the rows with these numbers, the last one of each key."""
    return sorted({tuple(compress(values[number], in_key)): number for number in numbers}.values())


def _sql(table: Table, names: Sequence[str]) -> str:
    insert = f"insert into {quoted(table.into)} ({', '.join(map(quoted, names))}) values ({', '.join('?' * len(names))})"
    if not table.key:
        return insert
    others = [quoted(name) for name in names if name not in table.key]
    conflict = f"{insert} on conflict ({', '.join(map(quoted, table.key))}) do"
    if not others:
        return f"{conflict} nothing"
    changes = ", ".join(f"{name} = excluded.{name}" for name in others)
    differs = " or ".join(f"{quoted(table.into)}.{name} is not excluded.{name}" for name in others)
    return f"{conflict} update set {changes} where {differs}"


def _written(connection: sqlite3.Connection, sql: str, values: Sequence[Row], numbers: Sequence[int]) -> tuple[int, dict[int, str]]:
    """How many rows were changed or added, and which were turned away, and why; all at once, one by one only where one of them is."""
    connection.execute("savepoint penstock_block")
    changed, turned_away = 0, dict[int, str]()
    try:
        changed = max(0, connection.executemany(sql, (values[number] for number in numbers)).rowcount)
    except sqlite3.IntegrityError:
        connection.execute("rollback to penstock_block")
        changed = 0
        for number in numbers:
            try:
                changed += connection.execute(sql, values[number]).rowcount
            except sqlite3.IntegrityError as error:
                turned_away[number] = str(error)
    connection.execute("release penstock_block")
    return changed, turned_away
