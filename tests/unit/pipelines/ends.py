"""A source and a sink in memory, as a distribution brings them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from penstock.engine.checkpointed import checkpointed
from penstock.ports.ends import Intake, SinkKind, SourceKind, Surroundings
from penstock.ports.sink import Destination
from penstock.ports.source import Source
from penstock.stores.memory import MemorySink, MemorySource

TABLES: dict[str, pa.Table] = {}
"""What sources read, by name."""

SINKS: dict[str, MemorySink] = {}
"""What sinks wrote, by name."""

STARTED: Callable[[], None] = lambda: None  # noqa: E731 - a test puts another one in its place
"""Called when a source is opened."""


@dataclass(frozen=True, slots=True)
class Auth:
    """A table within a table."""

    token: str = field(repr=False)
    kind: str = "bearer"


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """A table of `TABLES`; `partition_rows` and `batch_rows` say how it is cut."""

    table: str
    partition_rows: int = 100
    batch_rows: int = 7
    password: str = field(default="", repr=False)
    auth: Auth | None = None


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """A table of `SINKS` with a key."""

    table: str
    key: str = "id"


@asynccontextmanager
async def open_source(settings: SourceSettings, around: Surroundings) -> AsyncIterator[Source]:
    """Nothing is opened."""
    del around
    STARTED()
    yield MemorySource(TABLES[settings.table], settings.partition_rows, settings.batch_rows)


@asynccontextmanager
async def open_sink(settings: SinkSettings, around: Surroundings, intake: Intake) -> AsyncIterator[Destination]:
    """A sink that is joined with the checkpoints of the run."""
    del intake
    yield checkpointed(SINKS.setdefault(settings.table, MemorySink(settings.key)), around.checkpoints)


async def look(settings: SinkSettings, around: Surroundings, intake: Intake, schema: pa.Schema) -> str:
    """How many rows there are."""
    del around, intake, schema
    return f"{len(SINKS[settings.table].rows) if settings.table in SINKS else 0} rows"


async def count(settings: SinkSettings, around: Surroundings, intake: Intake) -> int:
    """How many rows there are."""
    del around, intake
    return len(SINKS[settings.table].rows)


SOURCE = SourceKind(SourceSettings, lambda settings, around: f"the table {settings.table} of {around.pipeline}", open_source)
SINK = SinkKind(
    settings=SinkSettings,
    modes=frozenset({"append", "replace"}),
    open=open_sink,
    look=look,
    place=lambda settings, around: f"memory of {around.pipeline}, table {settings.table}",
    show=lambda settings, around: f"show {settings.table} {around.pipeline}",
    count=count,
)


def distribution(folder: Path, name: str = "memory-ends", **ends: str) -> Path:
    """A folder that makes `ends` known as those of a distribution, once it is on `sys.path`: `source_x="module:OBJECT"`."""
    made = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: absent; extra == 'more'\n")
    groups = {"sources": list[str](), "sinks": list[str]()}
    for end, place in (ends or {"source_memory": f"{__name__}:SOURCE", "sink_memory": f"{__name__}:SINK"}).items():
        group, _, kind = end.partition("_")
        groups[f"{group}s"].append(f"{kind} = {place}\n")
    (made / "entry_points.txt").write_text("".join(f"[penstock.{group}]\n{''.join(lines)}\n" for group, lines in groups.items()))
    return folder
