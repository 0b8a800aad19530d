"""SQLite: a file with tables, positions, leases and dead letters in one transaction."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from penstock.ports.ends import SinkKind, SourceKind
from penstock.stores.sqlite.settings import SqliteSinkSettings, SqliteSourceSettings


def _ends() -> ModuleType:
    """What brings pyarrow with it, for when rows are moved."""
    return import_module("penstock.stores.sqlite.ends")


SOURCE = SourceKind(
    settings=SqliteSourceSettings,
    identity=lambda settings, around: _ends().identity(settings, around),
    open=lambda settings, around: _ends().source(settings, around),
)
SINK = SinkKind(
    settings=SqliteSinkSettings,
    modes=frozenset({"append", "upsert", "replace"}),
    open=lambda settings, around, intake: _ends().sink(settings, around, intake),
    look=lambda settings, around, intake, schema: _ends().look(settings, around, intake, schema),
    place=lambda settings, around: _ends().place(settings, around),
    show=lambda settings, around: _ends().show(settings, around),
    count=lambda settings, around, _: _ends().count(settings, around),
    books=lambda settings, around: _ends().books(settings, around),
)
