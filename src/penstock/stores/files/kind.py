"""The kinds of sinks that write one file: everything but how rows become bytes."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.ports.ends import Intake, SinkKind, Surroundings
from penstock.ports.sink import Destination

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.stores.files.written import Encoding, WrittenFile
    from penstock.stores.sqlite.checkpoints import SqliteCheckpoints


def file_kind(settings: type[Any], encoding: Callable[[Any], Encoding], count: Callable[[Any, Path], int]) -> SinkKind:
    """A sink whose `settings` have a `path`; `encoding` is imported when it is used, and `count` says how many rows a file has."""

    def written(settings: Any, surroundings: Surroundings, intake: Intake) -> WrittenFile:  # noqa: ANN401 - of the kind's own type
        from penstock.stores.files.written import WrittenFile  # noqa: PLC0415 - pyarrow only where rows are moved

        path = surroundings.folder / settings.path
        return WrittenFile(beside(surroundings), path, encoding(settings), aside=intake.mode == "replace")

    @asynccontextmanager
    async def opened(settings: Any, surroundings: Surroundings, intake: Intake) -> AsyncIterator[Destination]:  # noqa: ANN401
        file = written(settings, surroundings, intake)
        try:
            yield file
        finally:
            await file.checkpoints.database.close()

    async def look(settings: Any, surroundings: Surroundings, intake: Intake, schema: pa.Schema) -> str:  # noqa: ANN401
        file = written(settings, surroundings, intake)
        try:
            return await file.look(schema)
        finally:
            await file.checkpoints.database.close()

    async def rows(settings: Any, surroundings: Surroundings, intake: Intake) -> int:  # noqa: ANN401
        del intake
        path = surroundings.folder / settings.path
        return await asyncio.to_thread(count, settings, path) if path.exists() else 0

    return SinkKind(
        settings=settings,
        modes=frozenset({"append", "replace"}),
        open=opened,
        look=look,
        place=lambda settings, surroundings: str(surroundings.folder / settings.path),
        show=lambda settings, surroundings: f"head -n 5 {shlex.quote(str(surroundings.folder / settings.path))}",
        count=rows,
    )


def beside(surroundings: Surroundings) -> SqliteCheckpoints:
    """The checkpoints of a run, in whose transactions files are confirmed.

    Raises:
        NeedsFile: they are kept elsewhere than in a SQLite file.
    """
    from penstock.stores.files.errors import NeedsFile  # noqa: PLC0415 - as above
    from penstock.stores.sqlite.checkpoints import SqliteCheckpoints  # noqa: PLC0415

    if not isinstance(surroundings.checkpoints, SqliteCheckpoints):
        raise NeedsFile(type(surroundings.checkpoints).__name__)
    return surroundings.checkpoints
