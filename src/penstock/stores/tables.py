"""What can be wrong with a table, in whichever store it stands."""

from __future__ import annotations

from penstock.model.errors import Fatal, Misconfigured


class TableDoesNotFit(Misconfigured):
    """The table does not fit the rows."""

    default_hint = "Name another table, or change or rename this one."


class ForeignTable(Misconfigured):
    """The table holds rows that this pipeline did not write."""

    default_hint = "Name another table, or rename this one. Penstock does not mix sources."


class TableInUse(Misconfigured):
    """Views are made of the table, so that no other can take its place."""

    default_hint = "Drop them and make them again after each run, or use mode upsert."


class TableGone(Fatal):
    """The table is gone, and what the pipeline had stored in it."""

    default_hint = "Bring it back, or start over: `penstock state reset` forgets what was stored."


class NoSuchColumnType(Misconfigured):
    """A column has a type that has no counterpart in this store."""

    default_hint = "Give it another type with a `cast` stage."


class NoSuchTable(Misconfigured):
    """There is no such table, or it may not be seen."""

    default_hint = "Look at the spelling; in PostgreSQL, write sales.orders where the role's search path does not lead to it."


class NoSuchKey(Misconfigured):
    """The table has no such column to be read by."""

    default_hint = "Set `key` to a column without nulls that an index is on."


class RowsWithoutKey(Misconfigured):
    """Rows without a key would never be read."""

    default_hint = "Name a key that no row lacks, or read a view that leaves these rows out."
