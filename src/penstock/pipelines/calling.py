"""`penstock.run`: rows that a Python program holds, or a pipeline file, carried to their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penstock.engine.configuration import FaultySettings, checked
from penstock.engine.telemetry import Telemetry
from penstock.model.errors import Fatal, Misconfigured
from penstock.pipelines import ends
from penstock.pipelines.definition import AnySource, Definition, End
from penstock.pipelines.job import Ending, perform
from penstock.pipelines.reading import read, said, unknown
from penstock.pipelines.rows import Rows
from penstock.ports.ends import Intake, Mode, SinkKind, SourceKind, Surroundings
from penstock.ports.source import Source

SCHEMES: Mapping[str, str] = {"postgresql": "postgres", "postgres": "postgres"}
SUFFIXES: Mapping[str, str] = {
    ".db": "sqlite",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""How an address is recognised: by the scheme of a URL, else by how the name of the file ends."""


class UnclearAddress(Misconfigured):
    """It cannot be seen where the rows are to go."""

    default_hint = f"Give postgresql://… and a table, or a file that ends in {', '.join(SUFFIXES)}."


class UnclearMode(Misconfigured):
    """Without a key it has to be said what becomes of rows that are there."""

    default_hint = 'Give key="id" (exactly once, however often it is called), mode="replace" (all rows anew) or mode="append".'


class NotComplete(Fatal):
    """The run ended, and its evidence does not hold."""


def run(rows: object, to: str, table: str, key: tuple[str, ...], mode: Mode | None) -> Ending:
    """See `penstock.run`."""
    definition, anew = _definition(rows, to, table, key, mode)
    ending = _waited(definition, anew=anew)
    if ending.outcome.state == "failed":
        raise NotComplete(ending.outcome.message)
    return ending


def _waited(definition: Definition, *, anew: bool) -> Ending:
    """Run to the end; in a thread where this one has an event loop already, as in a notebook."""

    async def work() -> Ending:
        return await perform(definition, Telemetry(), asyncio.Event(), anew=anew)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work()).result()


def _definition(rows: object, to: str, table: str, key: tuple[str, ...], mode: Mode | None) -> tuple[Definition, bool]:
    """What to run, and whether it begins from nothing whatever an earlier call has stored."""
    if isinstance(rows, Path) or (isinstance(rows, str) and rows.endswith(".toml")):
        return read(Path(rows)), False
    if mode is None and not key:
        raise UnclearMode
    kept = hasattr(rows, "plan") and hasattr(rows, "read")
    source: Source = rows if kept else Rows.of(rows)  # type: ignore[assignment]  # it has a source's methods
    sink = _sink(to, table)
    intake = Intake(mode or "upsert", key)
    if intake.mode not in sink.kind.modes:
        raise UnclearMode(f"a sink of type {sink.type} cannot {intake.mode}")
    return Definition(table or Path(to).stem, Path.cwd(), _given(source), (), sink, intake), not kept


def _given(source: Source) -> End[AnySource]:
    """The rows as the end of a pipeline."""

    @asynccontextmanager
    async def opened(_settings: object, _around: Surroundings) -> AsyncIterator[Source]:
        yield source

    said = f"{type(source).__name__} given to penstock.run"
    return End("given", SourceKind(object, lambda _settings, _around: said, opened), None)


def _sink(to: str, table: str) -> End[SinkKind]:
    scheme, suffix = urlsplit(to).scheme, Path(to).suffix
    type_name = SCHEMES.get(scheme) or SUFFIXES.get(suffix, "")
    if not type_name:
        raise UnclearAddress(to)
    kind = ends.sink(type_name)
    given: dict[str, Any] = {"url" if scheme in SCHEMES else "path": to} | ({"table": table} if table else {})
    settings = checked(kind.settings, given)
    wrong = [*unknown(kind.settings, given), *(settings if isinstance(settings, list) else [])]
    if wrong:
        raise FaultySettings([f"{said(one.path)}{one.message}" for one in wrong])
    return End(type_name, kind, settings)
