"""A folder of Parquet files as a destination: a file gets its name in one transaction with the positions that its footer holds.

Rows are written to a file without a name for readers, until it is large enough or the engine settles. Its footer then says which stretches
it holds. It is synced, and renamed while the transaction keeps every other run from taking the lease; so a run that was paused and replaced
renames nothing. Where a file was renamed and its transaction then failed, the next look finds it, and its footer tells what to commit. What
never got its name is removed by the next run, and its records are read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.engine.beside import RunsBeside
from penstock.ports.checkpoints import Run
from penstock.ports.sink import BlockLimits, Delivery, Transactional, Writer
from penstock.ports.source import Progress
from penstock.stores.files.confirmed import Confirmed, claimed, has_coverage, keep, look
from penstock.stores.files.errors import FileDoesNotFit, FileLost, ForeignFile, NoSuchFolder, OtherMode, naming
from penstock.stores.files.written import sync_folder
from penstock.stores.parquet.footer import Footer, files_of, footer_of, schema_of
from penstock.stores.parquet.writer import UNFINISHED, FolderWriter
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints

if TYPE_CHECKING:
    import pyarrow as pa

LISTED = "select path from penstock_written_files where pipeline = ? and path like ? || '/%'"
UNLIST = "delete from penstock_written_files where pipeline = ? and path = ?"


@dataclass(frozen=True, slots=True)
class ParquetFolder(RunsBeside):
    """The files in `folder`, each of about `file_bytes` in memory."""

    checkpoints: SqliteCheckpoints
    folder: Path
    file_bytes: int = 128 * 2**20
    compression: str = "zstd"
    in_flight: int = 2
    block: BlockLimits = field(default_factory=lambda: BlockLimits(rows=100_000))

    @property
    def delivery(self) -> Delivery:
        """A file is there with the positions in it, or is removed."""
        return Transactional()

    async def progress(self, run: Run) -> Progress:
        """What is committed, together with files that got their names and no more.

        Raises:
            FileLost: a file is gone whose rows are committed.
            OtherMode: this pipeline filled the folder in mode replace.
        """
        await self.checkpoints.within(run, lambda connection: self._adopt(connection, run))
        return await self.checkpoints.progress(run)

    def _adopt(self, connection: sqlite3.Connection, run: Run) -> None:
        known = look(connection, run.pipeline.name, self.folder)
        self._require_mode(known)
        if known is None:
            return
        listed = self._listed(connection, run)
        there = {str(path): path for path in files_of(self.folder)}
        if has_coverage(connection, run) and (gone := sorted(listed - there.keys())):
            raise FileLost(gone[0])
        for path in (path for name, path in there.items() if name not in listed):
            with naming(path):
                found = footer_of(path)
            if found is not None and (found.pipeline, found.name) == (run.pipeline.name, path.name):
                self.commit(connection, run, path, found)

    def _listed(self, connection: sqlite3.Connection, run: Run) -> set[str]:
        return {row["path"] for row in connection.execute(LISTED, (run.pipeline.name, str(self.folder)))}

    def commit(self, connection: sqlite3.Connection, run: Run, path: Path, found: Footer) -> None:
        """Commit what a file's footer says, and list the file."""
        for became in found.blocks:
            self.checkpoints.advance_within(connection, run, became)
        keep(connection, run, path, Confirmed())

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Claim the folder, or make it, and remove what crashed runs have left; see `Sink.open`.

        Raises:
            ForeignFile: there are files in it that this pipeline did not write.
            OtherMode: it filled the folder in mode replace.
            FileDoesNotFit: the files have other types for these columns.
        """
        return self._open(run, schema)

    @asynccontextmanager
    async def _open(self, run: Run, schema: pa.Schema) -> AsyncIterator[Writer]:
        await self.checkpoints.within(run, lambda connection: self._claim(connection, run, schema))
        first = sum(path.name.startswith(f"part-{run.fence:06}-") for path in files_of(self.folder))
        writer = FolderWriter(self, run, schema, first)
        try:
            yield writer
        finally:
            writer.abandon()

    def _claim(self, connection: sqlite3.Connection, run: Run, schema: pa.Schema) -> None:
        known = look(connection, run.pipeline.name, self.folder)
        self._require_fit(schema, known)
        with naming(self.folder):
            if not self.folder.exists():
                self.folder.mkdir()
                sync_folder(self.folder.parent)
            for leftover in self.folder.glob(f".*{UNFINISHED}"):
                leftover.unlink()
        if known is None:
            keep(connection, run, self.folder, Confirmed())
        if not has_coverage(connection, run):
            for name in self._listed(connection, run) - set(map(str, files_of(self.folder))):
                connection.execute(UNLIST, (run.pipeline.name, name))

    def _require_mode(self, known: Confirmed | None) -> None:
        """Generations are behind a link; see `ParquetGenerations`."""
        if known is not None and known.mark and self.folder.is_symlink():
            raise OtherMode(str(self.folder))

    def _require_fit(self, schema: pa.Schema, known: Confirmed | None) -> None:
        """Check the folder, and change nothing; raises as `open` does."""
        if not self.folder.parent.is_dir():
            raise NoSuchFolder(str(self.folder.parent))
        self._require_mode(known)
        with naming(self.folder):
            files = files_of(self.folder)
            if files and known is None:
                raise ForeignFile(str(files[0]))
            for column in schema_of(files[-1]) if files else ():
                if column.name in schema.names and schema.field(column.name).type != column.type:
                    raise FileDoesNotFit(f"{files[-1]}: {column.name} is {column.type}, the rows have {schema.field(column.name).type}")

    async def look(self, schema: pa.Schema) -> str:
        """What is there for rows of these columns, in a sentence; nothing is changed. Raises as `open` does."""
        database = self.checkpoints.database
        known = await database.transact(lambda connection: claimed(connection, self.folder)) if database.path.exists() else None
        self._require_fit(schema, known)
        files = files_of(self.folder)
        return f"{self.folder} has {len(files):,} files of this pipeline" if files else f"{self.folder} will be filled"

    async def publish(self, run: Run) -> None:
        """Files are seen as they get their names."""
