"""PostgreSQL: table, positions, leases and dead letters in one transaction."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from penstock.ports.ends import SinkKind, SourceKind
from penstock.stores.postgres.settings import PostgresSinkSettings, PostgresSourceSettings


def _ends() -> ModuleType:
    """What brings asyncpg and pyarrow with it, for when rows are moved."""
    return import_module("penstock.stores.postgres.ends")


SOURCE = SourceKind(
    settings=PostgresSourceSettings,
    identity=lambda settings, _: _ends().identity(settings),
    open=lambda settings, _: _ends().source(settings),
)
SINK = SinkKind(
    settings=PostgresSinkSettings,
    modes=frozenset({"append", "upsert", "replace"}),
    open=lambda settings, around, intake: _ends().sink(settings, around, intake),
    look=lambda settings, around, intake, schema: _ends().look(settings, around, intake, schema),
    place=lambda settings, _: _ends().place(settings),
    show=lambda settings, _: _ends().show(settings),
    count=lambda settings, _, __: _ends().count(settings),
    books=lambda settings, _: _ends().books(settings),
)
